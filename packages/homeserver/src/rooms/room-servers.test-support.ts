import {
  eventIdOf,
  type EventId,
  type JsonObject,
  localpartOf,
  makeEventId,
  makeUserId,
  type Pdu,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type ServerName,
  serverNameFromPublicKey,
  type UnhashedPdu,
  type UserId,
} from '@kith/matrix-protocol'
import { type FaultPoint, MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { SeededRandom } from '@kith/testkit/seeded-random'
import { silentLog } from '@kith/testkit/silent-log'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import type { Storage } from '../ports/index.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { Timeline, timelineTables } from '../timeline/index.ts'
import type { EventDraft, SendOutcome, StateBeforeInput } from './outcomes.ts'
import { Rooms } from './rooms.ts'
import type { StoredEvent } from './stored-event.ts'

export const signal = new AbortController().signal

/** The rooms of one server, without anything around them. */
export class RoomServer {
  readonly name: ServerName
  readonly disk: MemoryDisk
  readonly clock: VirtualClock
  readonly #seed: number
  storage!: Storage
  timeline!: Timeline
  rooms!: Rooms

  private constructor(seed: number, disk: MemoryDisk) {
    this.#seed = seed
    this.disk = disk
    this.clock = new VirtualClock(1_750_000_000_000 + seed)
    this.name = serverNameFromPublicKey(this.#crypto().publicKey)
  }

  static async open(seed: number, faultPoint?: FaultPoint, disk = new MemoryDisk()): Promise<RoomServer> {
    const server = new RoomServer(seed, disk)
    await server.restart(faultPoint)
    return server
  }

  user(localpart: string): UserId {
    return makeUserId(localpart, this.name)
  }

  /** Opens everything again on the same disk, as after a crash. */
  async restart(faultPoint?: FaultPoint): Promise<void> {
    const options = { disk: this.disk, tableNames: homeserverTableNames }
    this.storage = openMemoryStorage(faultPoint === undefined ? options : { ...options, faultPoint })
    this.timeline = await Timeline.open(this.storage)
    const ports = { storage: this.storage, crypto: this.#crypto(), clock: this.clock, random: new SeededRandom(this.#seed), log: silentLog }
    this.rooms = await Rooms.open(ports, this.timeline, this.name)
  }

  /** A public room of that user, in which everybody may send and invite. */
  async createRoom(
    creator: UserId,
    options: { version?: string; powerLevels?: JsonObject; events?: readonly EventDraft[] } = {},
  ): Promise<RoomId> {
    const outcome = await this.rooms.create(
      {
        creator,
        ...(options.version === undefined ? {} : { version: options.version }),
        createContent: {},
        events: [
          { type: 'm.room.member', stateKey: creator, content: { membership: 'join' } },
          {
            type: 'm.room.power_levels',
            stateKey: '',
            content: options.powerLevels ?? (mustListCreator(options.version) ? { users: { [creator]: 100 } } : {}),
          },
          { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'public' } },
          ...(options.events ?? []),
        ],
      },
      signal,
    )
    if (outcome.kind !== 'created') throw new Error(`room was not created: ${outcome.kind}`)
    return outcome.roomId
  }

  async send(roomId: RoomId, sender: UserId, event: EventDraft): Promise<SendOutcome> {
    await this.clock.advance(1000)
    return this.rooms.send({ roomId, sender, ...event }, signal)
  }

  async say(roomId: RoomId, sender: UserId, body: string): Promise<EventId> {
    return sentId(await this.send(roomId, sender, { type: 'm.room.message', content: { body } }))
  }

  async setMembership(roomId: RoomId, sender: UserId, target: UserId, membership: string): Promise<EventId> {
    return sentId(await this.send(roomId, sender, { type: 'm.room.member', stateKey: target, content: { membership } }))
  }

  async sign(pdu: UnhashedPdu, version: RoomVersion): Promise<Pdu> {
    return this.rooms.signPdu(pdu, version)
  }

  async stored(eventId: EventId): Promise<StoredEvent> {
    const event = await this.rooms.event(eventId)
    if (event === undefined) throw new Error('the event is not stored')
    return event
  }

  /** The events that wait for a server, oldest first. */
  async outboxOf(destination: ServerName): Promise<EventId[]> {
    const rows = await this.storage.range(timelineTables.outbox, { prefix: [destination], limit: 1000 })
    return rows.flatMap(({ value: { item } }) => (item.kind === 'pdu' ? [item.eventId] : []))
  }

  /** The whole room history, oldest first. */
  async history(roomId: RoomId): Promise<StoredEvent[]> {
    return [...(await this.rooms.page(roomId, { from: undefined, direction: 'f', limit: 1000 })).events]
  }

  /** The room's state as text, for comparing servers. */
  stateText(roomId: RoomId): string {
    const entries = [...(this.rooms.state(roomId)?.entries() ?? [])].map(
      (event) => `${event.pdu.type} ${event.pdu.state_key} ${event.eventId}`,
    )
    return entries.toSorted().join('\n')
  }

  #crypto(): ReturnType<typeof createNobleCrypto> {
    return createNobleCrypto(new SeededRandom(this.#seed).bytes(32))
  }
}

function mustListCreator(version: string | undefined): boolean {
  return version !== undefined && roomVersion(version)?.creatorsHaveInfinitePower === false
}

export function sentId(outcome: SendOutcome): EventId {
  if (outcome.kind !== 'sent') throw new Error(`not sent: ${JSON.stringify(outcome)}`)
  return outcome.eventId
}

/** What make_join, send_join and the install after it do, without a network. */
export async function joinRemotely(joiner: RoomServer, userId: UserId, resident: RoomServer, roomId: RoomId): Promise<EventId> {
  const { event, version } = await joinAtResident(joiner, userId, resident, roomId)
  const answer = await stateForJoin(resident, eventIdOf(event, version))
  const installed = await joiner.rooms.installJoined({ version: version.id, event, ...answer }, signal)
  if (installed.kind !== 'joined') throw new Error(`not installed: ${installed.reason}`)
  return installed.eventId
}

/**
 * The same where the answer leaves all members out that the join does not need.
 * @param invented servers that the answer names besides those in the room.
 */
export async function joinPartially(
  joiner: RoomServer,
  userId: UserId,
  resident: RoomServer,
  roomId: RoomId,
  invented: readonly ServerName[] = [],
): Promise<EventId> {
  const { event, version } = await joinAtResident(joiner, userId, resident, roomId)
  const before = await resident.rooms.stateBefore(eventIdOf(event, version))
  const state = [...(before?.entries() ?? [])].filter((entry) => entry.pdu.type !== 'm.room.member')
  const chain = (await resident.rooms.authChain([eventIdOf(event, version), ...state.map((entry) => entry.eventId)])) ?? []
  const installed = await joiner.rooms.installJoined(
    {
      version: version.id,
      event,
      state: state.map((entry) => entry.pdu),
      authChain: chain.map((entry) => entry.pdu),
      partial: { servers: [...(before?.joinedServers() ?? []), ...invented] },
    },
    signal,
  )
  if (installed.kind !== 'joined') throw new Error(`not installed: ${installed.reason}`)
  return installed.eventId
}

/** What completeState needs of the state before an event, from a server that has it. */
export async function stateBeforeFrom(resident: RoomServer, eventId: EventId): Promise<StateBeforeInput> {
  const { state, authChain } = await stateForJoin(resident, eventId)
  return { stateIds: [...((await resident.rooms.stateIdsBefore(eventId))?.values() ?? [])], events: [...state, ...authChain] }
}

async function joinAtResident(joiner: RoomServer, userId: UserId, resident: RoomServer, roomId: RoomId) {
  const template = await resident.rooms.makeTemplate(
    { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content: { membership: 'join' } },
    signal,
  )
  if (template.kind !== 'template') throw new Error(`no template: ${JSON.stringify(template)}`)
  const version = roomVersion(template.version)
  if (version === undefined) throw new Error('unknown version')
  const chosen =
    version.eventIds === 'given'
      ? { event_id: makeEventId(`join-${localpartOf(userId)}-${roomId.slice(1, 9)}-${joiner.clock.now()}`, joiner.name) }
      : {}
  const event = await joiner.sign({ ...(template.event as unknown as UnhashedPdu), ...chosen }, version)
  const accepted = await resident.rooms.receiveAndForward(roomId, event, signal)
  if (accepted.kind !== 'accepted') throw new Error(`join refused: ${JSON.stringify(accepted)}`)
  return { event, version }
}

export async function stateForJoin(resident: RoomServer, eventId: EventId): Promise<{ state: Pdu[]; authChain: Pdu[] }> {
  const before = await resident.rooms.stateBefore(eventId)
  const state = [...(before?.entries() ?? [])]
  const chain = (await resident.rooms.authChain([eventId, ...state.map((event) => event.eventId)])) ?? []
  return { state: state.map((event) => event.pdu), authChain: chain.map((event) => event.pdu) }
}

/** Gives the receiver everything that the sender has in its history and the receiver lacks, oldest first. */
export async function catchUp(receiver: RoomServer, sender: RoomServer, roomId: RoomId): Promise<void> {
  const pdus = (await sender.history(roomId)).map((event) => event.pdu)
  await receiver.rooms.receiveMany(roomId, pdus, signal)
}

/** The same disk once more, so that one past can have many futures. */
export function copyDisk(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk()
  for (const [name, entries] of disk.tables) copy.tables.set(name, [...entries])
  return copy
}
