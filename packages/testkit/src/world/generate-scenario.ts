import { SeededRandom } from '../seeded-random.ts'
import type { Fault, Scenario, ScenarioRoom, Step, UserAction } from './scenario.ts'

const SERVER_NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
const SECOND_USERS = ['anna', 'ben', 'clara', 'dan', 'eve', 'fritz']
const RELAY_NAMES = ['mole', 'hare']
const ROOM_NAMES = ['lobby', 'attic', 'cellar']
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAYS_PACE_MS = 30 * MINUTE_MS

export interface GeneratorOptions {
  /** The room versions to choose from. */
  readonly versions: readonly string[]
  /** Whether the servers are parted, and all members speak, before anything else. Default: true. Seeds kept from before that was so say false. */
  readonly opensApart?: boolean
}

/** The scenario that a seed stands for. */
export function generateScenario(seed: number, options: GeneratorOptions): Scenario {
  return new Generator(seed, options).scenario()
}

class Generator {
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #versions: readonly string[]
  readonly #opensApart: boolean

  constructor(seed: number, { versions, opensApart = true }: GeneratorOptions) {
    this.#seed = seed
    this.#random = new SeededRandom(seed ^ 0x5eed)
    this.#versions = versions
    this.#opensApart = opensApart
  }

  scenario(): Scenario {
    const relays = RELAY_NAMES.slice(0, this.#between(1, 2))
    const count = this.#between(3, 6)
    const servers = SERVER_NAMES.slice(0, count).map((name, index) => ({
      name,
      users: this.#chance(25) ? [name, SECOND_USERS[index] ?? ''] : [name],
      relays: this.#some(relays, this.#between(1, relays.length)),
    }))
    const names = servers.map(({ name }) => name)
    const users = servers.flatMap((server) => server.users)
    const rooms = ROOM_NAMES.slice(0, this.#between(1, 3)).map((name, index) => this.#room(name, index, users))
    const hidden = this.#hidden(names)
    const opening = this.#opensApart ? this.#opening(servers, rooms) : []
    const beginsAt = opening.at(-1)?.at ?? 0
    const steps = this.#steps(names, relays, rooms, users).map((step) => ({ ...step, at: beginsAt + step.at }))
    return { seed: this.#seed, servers, relays, hidden, rooms, steps: [...opening, ...steps] }
  }

  #room(name: string, index: number, users: readonly string[]): ScenarioRoom {
    const creator = this.#one(users)
    const others = users.filter((user) => user !== creator)
    const rules = index === 0 ? (['invite', 'public', 'knock'] as const) : (['invite', 'public', 'knock', 'restricted'] as const)
    const joinRule = this.#one(rules)
    const lowest = joinRule === 'restricted' ? 8 : joinRule === 'knock' ? 7 : 1
    return {
      name,
      version: this.#chance(30) ? '12' : this.#one(this.#versions.filter((version) => Number(version) >= lowest)),
      joinRule,
      historyVisibility: this.#chance(70) ? 'shared' : this.#one(['joined', 'invited']),
      creator,
      members: this.#some(others, index === 0 ? this.#between(Math.min(2, others.length), others.length) : this.#between(1, others.length)),
    }
  }

  #hidden(names: readonly string[]): (readonly [string, string])[] {
    if (!this.#chance(40)) return []
    const [one, other] = this.#some(names, 2)
    return one === undefined || other === undefined ? [] : [[one, other]]
  }

  #steps(servers: readonly string[], relays: readonly string[], rooms: readonly ScenarioRoom[], users: readonly string[]): Step[] {
    const steps: Step[] = []
    const pace = this.#pace()
    // In worlds of days the nodes do much by themselves.
    const count = pace >= DAYS_PACE_MS ? this.#between(25, 45) : this.#between(50, 120)
    let at = 0
    for (let index = 0; index < count; index++) {
      at += this.#random.integer(2 * pace)
      if (this.#chance(20)) steps.push({ at, action: this.#fault(servers, relays, pace) })
      else steps.push({ at, action: this.#userAction(rooms, users) })
    }
    return [...steps, ...this.#divergence(at + pace, rooms, servers)]
  }

  /** The first room forks while all its members are in it: each side speaks, and is heard by its own side only. */
  #opening(servers: Scenario['servers'], [room]: readonly ScenarioRoom[]): Step[] {
    if (room === undefined) return []
    const inside = [room.creator, ...room.members]
    const [one, other, ...others] = servers.filter(({ users }) => users.some((user) => inside.includes(user))).map(({ name }) => name)
    if (one === undefined || other === undefined) throw new Error('All members of the first room are at one server')
    const group = [one, ...others.filter(() => this.#chance(50))]
    const speakers = inside.map((user): Step => ({ at: SECOND_MS, action: { kind: 'send', user, room: room.name } }))
    return [{ at: 0, action: { kind: 'part', group, forMs: this.#between(10, 600) * SECOND_MS } }, ...speakers]
  }

  /** Whoever still is a member in the end speaks once more while the servers are apart. */
  #divergence(at: number, rooms: readonly ScenarioRoom[], servers: readonly string[]): Step[] {
    const [room] = rooms
    if (room === undefined) return []
    const group = this.#some(servers, Math.floor(servers.length / 2))
    const speakers = [room.creator, ...room.members].map((user): Step => ({
      at: at + SECOND_MS,
      action: { kind: 'send', user, room: room.name },
    }))
    return [{ at, action: { kind: 'part', group, forMs: 2 * MINUTE_MS } }, ...speakers]
  }

  /** Half the mean time between two steps: from chats to days. */
  #pace(): number {
    const chance = this.#random.integer(100)
    if (chance < 50) return 2 * SECOND_MS
    if (chance < 80) return 20 * SECOND_MS
    return chance < 95 ? 3 * MINUTE_MS : DAYS_PACE_MS
  }

  #userAction(rooms: readonly ScenarioRoom[], users: readonly string[]): UserAction {
    const { name: room, creator, members, joinRule } = this.#one(rooms)
    const inside = [creator, ...members]
    const member = this.#one(inside)
    // Whoever made the room may do what most may not.
    const leader = this.#chance(70) ? creator : member
    const target = this.#one(this.#chance(60) ? inside : users)
    const chance = this.#random.integer(100)
    if (chance < 50) return { kind: 'send', user: member, room }
    if (chance < 56) return { kind: 'react', user: member, room }
    if (chance < 62) return { kind: 'redact', user: leader, room, pick: this.#random.integer(1_000) }
    if (chance < 68) return { kind: this.#one(['name', 'topic'] as const), user: leader, room, value: 'The' }
    if (chance < 73) return { kind: 'power', user: leader, room, target, level: this.#one([0, 50, 100]) }
    if (chance < 80) return { kind: 'invite', user: member, room, target: this.#one(users) }
    if (chance < 88) return { kind: joinRule === 'knock' && this.#chance(40) ? 'knock' : 'join', user: this.#one(users), room }
    if (chance < 91) return { kind: 'leave', user: this.#one(users), room }
    if (chance < 94) return { kind: 'kick', user: leader, room, target }
    if (chance < 96) return { kind: 'ban', user: leader, room, target }
    if (chance < 98) return { kind: 'unban', user: leader, room, target }
    return { kind: 'join-rule', user: leader, room, value: this.#one(['public', 'invite']) }
  }

  #fault(servers: readonly string[], relays: readonly string[], pace: number): Fault {
    const forMs = Math.min(SECOND_MS + this.#random.integer(12 * pace), 12 * HOUR_MS)
    const server = this.#one(servers)
    const [one = server, other = server] = this.#some(servers, 2)
    const chance = this.#random.integer(100)
    if (chance < 18) return { kind: 'cut', between: [one, other], forMs }
    if (chance < 30) return { kind: 'cut-one-way', between: [one, other], forMs }
    if (chance < 42) return { kind: 'part', group: this.#some([...servers, ...relays], this.#between(1, servers.length)), forMs }
    if (chance < 60) return { kind: 'sleep', server, forMs }
    if (chance < 68) return { kind: 'crash', server: this.#chance(20) ? this.#one(relays) : server, forMs }
    if (chance < 80) return { kind: 'crash-at-commit', server, after: this.#random.integer(12), durable: this.#chance(50), forMs }
    if (chance < 84) return { kind: 'restart', server }
    if (chance < 88) return { kind: 'lose', percent: this.#between(1, 30), forMs }
    if (chance < 92) return { kind: 'double', percent: this.#between(1, 50), forMs }
    if (chance < 96) return { kind: 'break', percent: this.#between(1, 20), forMs }
    return { kind: 'jitter', ms: this.#between(50, 5_000), forMs }
  }

  #chance(percent: number): boolean {
    return this.#random.integer(100) < percent
  }

  #between(least: number, greatest: number): number {
    return least + this.#random.integer(greatest - least + 1)
  }

  #one<T>(values: readonly T[]): T {
    const value = values[this.#random.integer(values.length)]
    if (value === undefined) throw new Error('There is nothing to choose from')
    return value
  }

  #some<T>(values: readonly T[], count: number): T[] {
    const left = [...values]
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(this.#random.integer(left.length), 1)).flat()
  }
}
