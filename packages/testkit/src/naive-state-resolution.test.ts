import {
  type AuthEvent,
  authEventIdsOf,
  authorise,
  authoriseByAuthEvents,
  authTypesFor,
  type EventId,
  type JsonObject,
  neededForResolution,
  type Pdu,
  resolveState,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
  type StateMap,
  type UserId,
} from '@kith/matrix-protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { resolveStateNaively } from './naive-state-resolution.ts'

const USERS = ['alice', 'bob', 'carol', 'dave'].map((name) => `@${name}:example.org` as UserId)
const LEVELS = [0, 25, 50, 75, 100]

/** What somebody tries next; numbers are reduced to what there is. Attempts that the auth rules deny change nothing. */
interface Attempt {
  readonly sender: number
  readonly target: number
  readonly action: 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'power' | 'join-rule' | 'topic' | 'name'
  readonly level: number
  readonly time: number
  /** The events that the sender has seen last. */
  readonly previous: readonly number[]
  readonly idPrefix: number
}

const attempt: fc.Arbitrary<Attempt> = fc.record({
  sender: fc.nat(USERS.length - 1),
  target: fc.nat(USERS.length - 1),
  action: fc.constantFrom('join', 'leave', 'invite', 'kick', 'ban', 'power', 'power', 'join-rule', 'topic', 'name'),
  level: fc.nat(LEVELS.length - 1),
  time: fc.nat(8),
  previous: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  idPrefix: fc.nat(99),
})

/** A room's whole DAG with the state after each event. */
class GeneratedRoom {
  readonly events = new Map<EventId, AuthEvent>()
  readonly states: StateMap<EventId>[] = []
  readonly #ids: EventId[] = []
  readonly #version: RoomVersion
  readonly #roomId: RoomId

  constructor(version: RoomVersion, attempts: readonly Attempt[]) {
    this.#version = version
    this.#roomId = (version.roomIdIsCreateEvent ? '!create' : '!room:example.org') as RoomId
    const [alice, bob] = USERS as [UserId, UserId]
    const create = { creator: alice, room_version: version.id }
    this.#add('$create' as EventId, { type: 'm.room.create', sender: alice, state_key: '', content: create }, [], 0)
    const users = version.creatorsHaveInfinitePower ? { [bob]: 100 } : { [alice]: 100, [bob]: 100 }
    this.#append({ type: 'm.room.member', sender: alice, state_key: alice, content: { membership: 'join' } })
    this.#append({ type: 'm.room.power_levels', sender: alice, state_key: '', content: { users } })
    this.#append({ type: 'm.room.join_rules', sender: alice, state_key: '', content: { join_rule: 'public' } })
    this.#append({ type: 'm.room.member', sender: bob, state_key: bob, content: { membership: 'join' } })
    for (const next of attempts) this.#try(next)
  }

  eventOf = (eventId: EventId): AuthEvent => {
    const event = this.events.get(eventId)
    if (event === undefined) throw new Error(`No event ${eventId}`)
    return event
  }

  resolve(states: readonly StateMap<EventId>[]): StateMap<EventId> {
    return resolveState(this.#version, states, { event: (eventId) => this.events.get(eventId) })
  }

  resolveNaively(states: readonly StateMap<EventId>[]): StateMap<EventId> {
    return resolveStateNaively(this.#version, states, this.eventOf)
  }

  /** Resolution may bring back an older event of an entry: one that the candidates build on. */
  isInAuthChain(eventId: EventId, start: ReadonlySet<EventId>): boolean {
    const reached = new Set(start)
    for (const each of reached) for (const authId of authEventIdsOf(this.eventOf(each).pdu)) reached.add(authId)
    return reached.has(eventId)
  }

  byAuthEvents(eventId: EventId): string {
    const event = this.eventOf(eventId)
    const cited = authEventIdsOf(event.pdu).map((authId) => this.eventOf(authId))
    const outcome = authoriseByAuthEvents(event, cited, this.#version, { createEvent: this.eventOf('$create' as EventId) })
    return outcome.kind === 'allowed' ? outcome.kind : outcome.rule
  }

  #append(event: ProtoEvent): void {
    this.#add(`$${this.#ids.length}` as EventId, event, [this.#ids.length - 1], this.#ids.length)
  }

  #try(next: Attempt): void {
    // Mostly recent events, so that branches are of some length.
    const previous = [...new Set(next.previous.map((offset) => Math.max(0, this.#ids.length - 1 - (offset % 6))))]
    this.#add(`$${next.idPrefix}-${this.#ids.length}` as EventId, this.#protoEvent(next, previous), previous, 10 + next.time)
  }

  #protoEvent({ sender, target, action, level }: Attempt, previous: readonly number[]): ProtoEvent {
    const [from, to] = [USERS[sender] as UserId, USERS[target] as UserId]
    const member = (stateKey: UserId, membership: string): ProtoEvent => ({
      type: 'm.room.member',
      sender: from,
      state_key: stateKey,
      content: { membership },
    })
    switch (action) {
      case 'join':
        return member(from, 'join')
      case 'leave':
        return member(from, 'leave')
      case 'invite':
        return member(to, 'invite')
      case 'kick':
        return member(to, 'leave')
      case 'ban':
        return member(to, 'ban')
      case 'power': {
        const powerLevels = this.#stateBefore(previous).get(stateKeyOf('m.room.power_levels', ''))
        const users = powerLevels === undefined ? {} : (this.eventOf(powerLevels).pdu.content['users'] as JsonObject)
        const content = { users: { ...users, [to]: LEVELS[level] ?? 0 } }
        return { type: 'm.room.power_levels', sender: from, state_key: '', content }
      }
      case 'join-rule':
        return { type: 'm.room.join_rules', sender: from, state_key: '', content: { join_rule: level > 2 ? 'invite' : 'public' } }
      case 'topic':
      case 'name':
        return { type: `m.room.${action}`, sender: from, state_key: '', content: { [action]: String(level) } }
    }
  }

  #stateBefore(previous: readonly number[]): StateMap<EventId> {
    return this.resolve(previous.map((index) => this.states[index] ?? new Map<StateKey, EventId>()))
  }

  #add(eventId: EventId, proto: ProtoEvent, previous: readonly number[], time: number): void {
    const before = this.#stateBefore(previous)
    const authEvents = authTypesFor(proto, this.#version).flatMap(({ type, stateKey }) => before.get(stateKeyOf(type, stateKey)) ?? [])
    const isSource = this.#version.roomIdIsCreateEvent && proto.type === 'm.room.create'
    const pdu: Pdu = {
      ...proto,
      ...(isSource ? {} : { room_id: this.#roomId }),
      origin_server_ts: time,
      depth: 1 + previous.reduce((deepest, index) => Math.max(deepest, this.eventOf(this.#ids[index] as EventId).pdu.depth), 0),
      prev_events: previous.map((index) => this.#ids[index] as EventId),
      auth_events: authEvents,
      hashes: { sha256: '' },
      signatures: {},
    }
    const event: AuthEvent = { eventId, pdu, rejected: false }
    const state = (type: string, stateKey: string): AuthEvent | undefined => {
      const id = before.get(stateKeyOf(type, stateKey))
      return id === undefined ? undefined : this.events.get(id)
    }
    const context = { createEvent: this.events.get('$create' as EventId) }
    if (authorise(event, state, this.#version, context).kind === 'denied') return
    this.events.set(eventId, event)
    this.#ids.push(eventId)
    this.states.push(new Map(before).set(stateKeyOf(proto.type, proto.state_key), eventId))
  }
}

type ProtoEvent = Pick<Pdu, 'type' | 'sender' | 'content'> & { readonly state_key: string }

const attempts = fc.array(attempt, { minLength: 10, maxLength: 60, size: 'max' })
const choice = fc.array(fc.nat(), { minLength: 2, maxLength: 5 })

function pick(room: GeneratedRoom, indices: readonly number[]): StateMap<EventId>[] {
  // The last states are the most interesting.
  return indices.map((index) => room.states[room.states.length - 1 - (index % Math.min(20, room.states.length))] as StateMap<EventId>)
}

/** Somebody's attempt upon the events that lie so far back. */
const by = (sender: number, target: number, action: Attempt['action'], level: number, ...previous: readonly number[]): Attempt => ({
  sender,
  target,
  action,
  level,
  time: 0,
  previous,
  idPrefix: 0,
})

/** Alice again and again says that she is there, upon the event before. */
const again = (count: number): Attempt[] => Array.from({ length: count }, () => by(0, 0, 'join', 0, 0))

/** Rooms with two states neither of which has an entry that resolving them brings back, because something in one of them builds on it. */
const broughtBack: [Attempt[], number[]][] = [
  [
    [
      by(0, 0, 'join', 0, 0),
      by(1, 0, 'join', 0, 2),
      by(1, 1, 'power', 0, 0),
      by(0, 0, 'join-rule', 3, 0),
      by(0, 0, 'join', 0, 0),
      by(0, 0, 'join', 0, 4, 0),
      ...again(2),
      by(0, 0, 'join', 0, 3, 0),
      ...again(5),
    ],
    [0, 15],
  ],
  [
    [
      by(0, 0, 'leave', 0, 2),
      by(1, 0, 'join', 0, 1, 0),
      by(1, 0, 'join', 0, 0),
      by(1, 0, 'join', 0, 0),
      by(0, 0, 'join', 0, 3),
      by(0, 0, 'invite', 0, 0),
      by(0, 0, 'name', 0, 0),
      by(0, 0, 'join', 0, 3),
      by(0, 0, 'leave', 0, 0),
      by(0, 0, 'join', 0, 0),
      by(0, 0, 'join', 0, 4),
      by(0, 0, 'join', 0, 4),
      by(2, 0, 'name', 0, 0),
      by(1, 0, 'join', 0, 4, 1),
    ],
    [0, 8],
  ],
]

const numRuns = 150

/** Each algorithm under each text of the auth rules that it meets. */
describe.each(['1', '2', '3', '6', '9', '10', '11', '12'].map((id) => roomVersion(id) as RoomVersion))(
  'room version $id, on generated rooms',
  (version) => {
    test('resolution is that of the specification, word by word', () => {
      let conflicts = 0
      fc.assert(
        fc.property(attempts, choice, (steps, chosen) => {
          const room = new GeneratedRoom(version, steps)
          const states = pick(room, chosen)
          const resolved = room.resolve(states)
          expect(resolved).toEqual(room.resolveNaively(states))
          if (states.some((state) => state.size !== resolved.size || [...state].some(([key, id]) => resolved.get(key) !== id))) conflicts++
        }),
        { numRuns, examples: broughtBack },
      )
      // Otherwise the generator would have made only rooms without conflicts, and shown nothing.
      expect(conflicts).toBeGreaterThan(numRuns / 4)
    })

    test('the order of states and of their entries does not matter', () => {
      fc.assert(
        fc.property(attempts, choice, (steps, chosen) => {
          const room = new GeneratedRoom(version, steps)
          const states = pick(room, chosen)
          const shuffled = states.toReversed().map((state) => new Map([...state].toReversed()))
          expect(room.resolve(shuffled)).toEqual(room.resolve(states))
        }),
        { numRuns },
      )
    })

    test('keeps what nobody questions, decides between what was given, and gives only events that pass by what they cite', () => {
      fc.assert(
        fc.property(attempts, choice, (steps, chosen) => {
          const room = new GeneratedRoom(version, steps)
          const states = pick(room, chosen)
          const candidates = new Set(states.flatMap((state) => [...state.values()]))
          for (const [key, eventId] of room.resolve(states)) {
            const { pdu } = room.eventOf(eventId)
            expect(stateKeyOf(pdu.type, pdu.state_key ?? '')).toBe(key)
            // What all lack is open, too: the rules also look at events that lie only in the auth chains of some.
            const [agreed, ...others] = new Set(states.map((state) => state.get(key)))
            const isOpen = agreed === undefined || others.length > 0
            expect(eventId).toBe(isOpen ? eventId : agreed)
            expect(candidates.has(eventId) || room.isInAuthChain(eventId, candidates)).toBe(true)
            expect(room.byAuthEvents(eventId)).toBe('allowed')
          }
        }),
        { numRuns: 50, examples: broughtBack },
      )
    })

    test('equal states resolve to themselves, and a state given twice counts once', () => {
      fc.assert(
        fc.property(attempts, choice, (steps, chosen) => {
          const room = new GeneratedRoom(version, steps)
          const states = pick(room, chosen)
          const resolved = room.resolve(states)
          expect(room.resolve([resolved])).toEqual(resolved)
          expect(room.resolve([resolved, resolved])).toEqual(resolved)
          expect(room.resolve([...states, ...states])).toEqual(resolved)
        }),
        { numRuns },
      )
    })

    test('what the caller is asked to load is enough', () => {
      fc.assert(
        fc.property(attempts, choice, (steps, chosen) => {
          const room = new GeneratedRoom(version, steps)
          const states = pick(room, chosen)
          const asking = neededForResolution(version, states, () => undefined)
          let step = asking.next()
          while (step.done !== true) step = asking.next(step.value.map((eventId) => room.eventOf(eventId)))
          const loaded = step.value
          expect(resolveState(version, states, { event: (eventId) => loaded.get(eventId) })).toEqual(room.resolve(states))
        }),
        { numRuns: 50 },
      )
    })
  },
)
