import type { Crypto, Log, Write } from '@kith/homeserver/ports'
import { SimulatedWorld } from '../simulated-world.ts'
import type { Scenario } from './scenario.ts'
import { SyncClient } from './sync-client.ts'
import { Trace } from './trace.ts'
import { WorldRelay, WorldServer } from './world-node.ts'
import { WorldUser } from './world-user.ts'

export interface WorldOptions {
  readonly createCrypto?: (seed: Uint8Array) => Crypto
  /** Between a node and its disk: what is written instead. For tests that plant a fault. */
  readonly tamper?: (node: string, writes: readonly Write[]) => readonly Write[]
}

/** An event that a client was told is sent. */
export interface AcknowledgedEvent {
  readonly eventId: string
  readonly room: string
  readonly user: string
  readonly kind: 'message' | 'reaction' | 'state' | 'redaction'
  /** Of a message: its text, unlike any other. */
  readonly text?: string
  /** Of a redaction. */
  readonly target?: string
}

/** Real homeservers and relays with users and clients, in a simulated world. */
export class World {
  readonly simulated: SimulatedWorld
  readonly trace = new Trace()
  readonly servers = new Map<string, WorldServer>()
  readonly relays = new Map<string, WorldRelay>()
  readonly users = new Map<string, WorldUser>()
  readonly clients = new Map<string, SyncClient>()
  /** Room ids by name. */
  readonly rooms = new Map<string, string>()
  readonly acknowledged: AcknowledgedEvent[] = []
  /** What servers logged as errors or answered as such; an honest world has none. */
  readonly problems: string[] = []
  handOvers = 0
  readonly #tamper: NonNullable<WorldOptions['tamper']>

  constructor(seed: number, options: WorldOptions = {}) {
    this.#tamper = options.tamper ?? ((_node, writes) => writes)
    this.simulated = new SimulatedWorld(seed, options.createCrypto, ({ from, to, method, path, status }) => {
      this.trace.add(`${this.simulated.clock.now()} ${from} ${to} ${method} ${path} ${status ?? ''}`)
      if (status === 200 && path.includes('/send_relay/')) this.handOvers++
      if (status === 500) this.problems.push(`${method} ${path} was answered with 500`)
    })
  }

  addRelay(name: string): WorldRelay {
    const relay = new WorldRelay(this.simulated, name, this.#outsideOf(name))
    this.relays.set(name, relay)
    return relay
  }

  addServer(name: string, relays: readonly string[]): WorldServer {
    const names = relays.map((relay) => this.relay(relay).server)
    const server = new WorldServer(this.simulated, name, names, this.#outsideOf(name))
    this.servers.set(name, server)
    return server
  }

  async addUser(name: string, server: string): Promise<WorldUser> {
    const user = await WorldUser.register(name, this.server(server))
    this.users.set(name, user)
    const client = new SyncClient(user)
    this.clients.set(name, client)
    void client.run()
    return user
  }

  server(name: string): WorldServer {
    return found(this.servers, name)
  }

  relay(name: string): WorldRelay {
    return found(this.relays, name)
  }

  user(name: string): WorldUser {
    return found(this.users, name)
  }

  room(name: string): string {
    return found(this.rooms, name)
  }

  /** Servers and relays by name. */
  node(name: string): WorldServer | WorldRelay {
    return this.servers.get(name) ?? this.relay(name)
  }

  /** All nodes and users of a scenario, its rooms with their first members, and nobody knows of any fault. */
  async prepare(scenario: Scenario): Promise<void> {
    for (const name of scenario.relays) await this.addRelay(name).start()
    for (const { name, relays } of scenario.servers) await this.addServer(name, relays).start()
    for (const { name, users } of scenario.servers) for (const user of users) await this.addUser(user, name)
    await this.simulated.run(1_000)
    await this.#exchangeContacts()
    for (const room of scenario.rooms) await this.#createRoom(room)
    await this.simulated.run(5_000)
    for (const [one, other] of scenario.hidden) this.simulated.network.hide(this.server(one).server, this.server(other).server)
  }

  async #exchangeContacts(): Promise<void> {
    const kith = '/_matrix/client/unstable/im.kith'
    for (const user of this.users.values()) {
      const { user_id: userId, relay_list: relayList } = await user.ok('GET', `${kith}/contact`)
      for (const other of this.users.values()) {
        if (other.server !== user.server) await other.ok('POST', `${kith}/contacts`, { user_id: userId, relay_list: relayList })
      }
    }
  }

  async #createRoom(room: Scenario['rooms'][number]): Promise<void> {
    const creator = this.user(room.creator)
    const others = room.members.map((name) => this.user(name))
    const allow = [...this.rooms.values()].slice(0, 1).map((roomId) => ({ type: 'm.room_membership', room_id: roomId }))
    const body = {
      room_version: room.version,
      name: room.name,
      preset: room.joinRule === 'public' ? 'public_chat' : 'private_chat',
      initial_state: [
        { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: room.historyVisibility } },
        {
          type: 'm.room.join_rules',
          state_key: '',
          content: { join_rule: room.joinRule, ...(room.joinRule === 'restricted' ? { allow } : {}) },
        },
      ],
    }
    const { room_id: roomId } = await this.simulated.finish(creator.ok('POST', '/createRoom', body))
    this.rooms.set(room.name, roomId)
    for (const other of others) {
      await this.simulated.finish(creator.ok('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: other.userId }))
      await this.simulated.run(500)
      await this.simulated.finish(other.ok('POST', `/join/${encodeURIComponent(roomId)}?server_name=${creator.server.server}`, {}))
    }
  }

  #outsideOf(name: string): { readonly log: Log; readonly tamper: (writes: readonly Write[]) => readonly Write[] } {
    const log: Log = {
      debug() {},
      info() {},
      warn() {},
      error: (message, fields) => this.problems.push(`log: ${name}: ${message} ${JSON.stringify(fields ?? {})}`),
    }
    return { log, tamper: (writes) => this.#tamper(name, writes) }
  }
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name)
  if (value === undefined) throw new Error(`The scenario names ${name}, which it does not define`)
  return value
}
