import { isJsonObject, type JsonObject, makeUserId, ownString, type RoomId, type ServerName, type UserId } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { silentLog } from '@kith/testkit/silent-log'
import { addressOf, type SimulatedPeerNetwork } from '@kith/testkit/simulated-network'
import type { SimulatedWorld, WorldIdentity } from '@kith/testkit/simulated-world'
import { OpenIdTokens } from '../accounts/open-id-tokens.ts'
import { openDirectory } from '../directory/index.ts'
import { MediaStore } from '../media/index.ts'
import type { Log, Ports } from '../ports/index.ts'
import { createRelay, type Relay, type RelayConfig } from '../relay-node.ts'
import { Rooms } from '../rooms/index.ts'
import { homeserverTableNames, relayTableNames } from '../storage-schema.ts'
import { Timeline } from '../timeline/index.ts'
import { Federation } from './federation.ts'
import type { LocalUsers } from './local-users.ts'

/** To-device messages that reached users, as durable as the disk: sender and message id → content. */
export type Inbox = Map<string, JsonObject>

/** Rooms and federation of one server on a disk that outlives it. */
export class SimulatedServer {
  readonly identity: WorldIdentity
  readonly user: UserId
  readonly disk = new MemoryDisk()
  readonly inbox: Inbox = new Map()
  readonly ephemeral: JsonObject[] = []
  readonly #world: SimulatedWorld
  readonly #relays: readonly ServerName[]
  #running: { rooms: Rooms; timeline: Timeline; federation: Federation; network: SimulatedPeerNetwork } | undefined
  log: Log = silentLog
  /** Makes commits fail, as a full disk does. */
  storageFault: (() => void) | undefined

  constructor(world: SimulatedWorld, localpart: string, relays: readonly ServerName[]) {
    this.#world = world
    this.identity = world.createIdentity()
    this.user = makeUserId(localpart, this.identity.server)
    this.#relays = relays
  }

  get server(): ServerName {
    return this.identity.server
  }

  get rooms(): Rooms {
    return this.#parts.rooms
  }

  get timeline(): Timeline {
    return this.#parts.timeline
  }

  get federation(): Federation {
    return this.#parts.federation
  }

  get network(): SimulatedPeerNetwork {
    return this.#parts.network
  }

  get storage() {
    return openMemoryStorage({ disk: this.disk })
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  async start(): Promise<this> {
    const { clock, random } = this.#world
    const faultPoint = (operation: 'write' | 'commit'): void => {
      if (operation === 'commit') this.storageFault?.()
    }
    const storage = openMemoryStorage({ disk: this.disk, tableNames: homeserverTableNames, faultPoint })
    const network = this.#world.network.node(this.server)
    const ports: Ports = { clock, random, log: this.log, crypto: this.identity.crypto, storage, network }
    const timeline = await Timeline.open(storage)
    const rooms = await Rooms.open(ports, timeline, this.server)
    const federation = await Federation.open(ports, {
      timeline,
      rooms,
      serverName: this.server,
      users: this.#users(),
      directory: await openDirectory(storage),
      media: await MediaStore.open(ports, this.server),
      openIdTokens: new OpenIdTokens(ports),
      relays: this.#relays.map(addressOf),
      softwareVersion: 'test',
    })
    network.serve(federation.serve)
    federation.start()
    await network.start(new AbortController().signal)
    this.#running = { rooms, timeline, federation, network }
    return this
  }

  /** The process dies: nothing is finished, nothing more is written. */
  async kill(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return
    running.network.goDown()
    this.storageFault = () => {
      throw new Error('The process is dead')
    }
    await this.#world.finish(running.federation[Symbol.asyncDispose]())
    this.storageFault = undefined
  }

  async createRoom(): Promise<RoomId> {
    const outcome = await this.rooms.create(
      {
        creator: this.user,
        createContent: {},
        events: [
          { type: 'm.room.member', stateKey: this.user, content: { membership: 'join' } },
          { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } },
          { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } },
        ],
      },
      never,
    )
    if (outcome.kind !== 'created') throw new Error(`The room was not created: ${outcome.kind}`)
    return outcome.roomId
  }

  async send(roomId: RoomId, body: string): Promise<string> {
    const outcome = await this.rooms.send(
      { roomId, sender: this.user, type: 'm.room.message', content: { msgtype: 'm.text', body } },
      never,
    )
    if (outcome.kind !== 'sent') throw new Error(`The message was not sent: ${outcome.kind}`)
    return outcome.eventId
  }

  async sendToDevice(to: SimulatedServer, messageId: string): Promise<void> {
    const messages = { [to.user]: { DEVICE: { text: messageId, fraction: 0.5 } } }
    const content = { sender: this.user, type: 'm.room.encrypted', message_id: messageId, messages }
    await this.timeline.commit((transaction) => transaction.enqueue(to.server, { kind: 'edu', type: 'm.direct_to_device', content }))
  }

  /** Invites the other's user and lets them join. */
  async bringIn(other: SimulatedServer, roomId: RoomId): Promise<void> {
    const invited = await this.#world.finish(this.federation.invite({ roomId, sender: this.user, invitee: other.user, content: {} }, never))
    if (invited.kind !== 'invited') throw new Error(`Not invited: ${JSON.stringify(invited)}`)
    await this.#world.runUntil(() => other.rooms.invite(roomId, other.user) !== undefined, 30_000, 'the invite arrives')
    const joined = await this.#world.finish(other.federation.joinRoom({ roomId, userId: other.user, via: [], content: {} }, never))
    if (joined.kind !== 'joined') throw new Error(`Not joined: ${JSON.stringify(joined)}`)
  }

  /** Bodies of the messages in the order in which clients here get them. */
  async messages(roomId: RoomId): Promise<string[]> {
    const { events } = await this.rooms.timelineSince(roomId, 0, 10_000)
    return events.filter(({ pdu }) => pdu.type === 'm.room.message').map(({ pdu }) => ownString(pdu.content, 'body') ?? '')
  }

  async undelivered(): Promise<Map<string, Record<string, string>>> {
    const { deliveries } = await this.federation.deliveries(undefined)
    return new Map(deliveries.map(({ eventId, destinations }) => [eventId, Object.fromEntries(destinations)]))
  }

  get #parts() {
    if (this.#running === undefined) throw new Error('This server is not running')
    return this.#running
  }

  #users(): LocalUsers {
    return {
      exists: (userId) => userId === this.user,
      existsOrIsMade: async (userId) => userId === this.user,
      makesAlias: async () => false,
      blocksInvites: async () => false,
      profileOf: async (userId) => (userId === this.user ? { displayname: 'Somebody' } : undefined),
      queryKeys: async () => ({ device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} }),
      claimKeys: async () => ({}),
      devicesOf: async () => undefined,
      receiveEdu: async (_origin, type, content) => {
        this.storageFault?.()
        if (type === 'm.direct_to_device' && isJsonObject(content['messages'])) {
          this.inbox.set(`${ownString(content, 'sender')} ${ownString(content, 'message_id')}`, content)
        } else this.ephemeral.push({ type, content })
      },
    }
  }
}

/** A relay of the simulated world on a disk that outlives it. */
export class SimulatedRelay {
  readonly identity: WorldIdentity
  readonly disk = new MemoryDisk()
  readonly #world: SimulatedWorld
  readonly #config: Partial<RelayConfig>
  #running: { relay: Relay; network: SimulatedPeerNetwork } | undefined

  constructor(world: SimulatedWorld, config: Partial<RelayConfig> = {}) {
    this.#world = world
    this.identity = world.createIdentity()
    this.#config = config
  }

  get server(): ServerName {
    return this.identity.server
  }

  get storage() {
    return openMemoryStorage({ disk: this.disk })
  }

  async start(): Promise<this> {
    const { clock, random } = this.#world
    const storage = openMemoryStorage({ disk: this.disk, tableNames: relayTableNames })
    const network = this.#world.network.node(this.server)
    const relay = await createRelay({ clock, random, log: silentLog, crypto: this.identity.crypto, storage, network }, this.#config)
    await network.start(never)
    this.#running = { relay, network }
    return this
  }

  async kill(): Promise<void> {
    this.#running?.network.goDown()
    await this.#running?.relay[Symbol.asyncDispose]()
    this.#running = undefined
  }
}

/** For waits that only the test itself ends. */
export const never = new AbortController().signal
