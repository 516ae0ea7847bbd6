import type { EventId, Pdu, RoomId, ServerName } from '@kith/matrix-protocol'
import { growingWaitMs } from '../../growing-wait.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Crypto } from '../../ports/crypto.ts'
import type { Log } from '../../ports/log.ts'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import type { Rooms } from '../../rooms/index.ts'
import { isEventSigned } from '../event-signatures.ts'
import { federationTables, type StagedEvent } from '../tables.ts'

export interface StagedEventsParts {
  readonly storage: Storage
  readonly crypto: Crypto
  readonly clock: Clock
  readonly rooms: Rooms
  readonly log: Log
}

/** Events that other servers delivered, but whose predecessors nobody reachable has yet. Only rightly signed ones are kept. */
export class StagedEvents {
  readonly #storage: Storage
  readonly #crypto: Crypto
  readonly #rooms: Rooms
  readonly #clock: Clock
  readonly #log: Log
  /** When the next of a room's events is due (ms). */
  readonly #dueAt: Map<RoomId, number>

  private constructor(parts: StagedEventsParts, dueAt: Map<RoomId, number>) {
    this.#storage = parts.storage
    this.#crypto = parts.crypto
    this.#rooms = parts.rooms
    this.#clock = parts.clock
    this.#log = parts.log
    this.#dueAt = dueAt
  }

  static async open(parts: StagedEventsParts): Promise<StagedEvents> {
    const dueAt = new Map<RoomId, number>()
    let after: readonly [string, string] | undefined
    while (dueAt.size < limits.implementation.stagedRoomsMax) {
      const query = after === undefined ? { limit: 1 } : { after, limit: 1 }
      const [entry] = await parts.storage.range(federationTables.staged, query)
      if (entry === undefined) break
      dueAt.set(entry.key[0], entry.value.retryAt)
      // Sorts behind every event id of that room.
      after = [entry.key[0], '\uffff']
    }
    return new StagedEvents(parts, dueAt)
  }

  has(roomId: RoomId): boolean {
    return this.#dueAt.has(roomId)
  }

  roomIds(): RoomId[] {
    return [...this.#dueAt.keys()]
  }

  /** Rooms with an event that is to be tried again, whoever is there. */
  dueRoomIds(): RoomId[] {
    const now = this.#clock.now()
    return [...this.#dueAt].filter(([, dueAt]) => dueAt <= now).map(([roomId]) => roomId)
  }

  async read(roomId: RoomId): Promise<StagedEvent[]> {
    const rows = await this.#storage.range(federationTables.staged, {
      prefix: [roomId],
      limit: limits.implementation.stagedEventsPerRoomMax,
    })
    return rows.map(({ value }) => value)
  }

  async add(roomId: RoomId, origin: ServerName, events: ReadonlyMap<EventId, Pdu>, signal: AbortSignal): Promise<void> {
    const version = this.#rooms.version(roomId)
    if (version === undefined || events.size === 0) return
    const { stagedEventsPerRoomMax, stagedEventsPerOriginMax, stagedRetryIntervalMs } = limits.implementation
    const rows = await this.#storage.range(federationTables.staged, { prefix: [roomId], limit: stagedEventsPerRoomMax })
    const known = new Set(rows.map(({ key }) => key[1]))
    const state = this.#rooms.state(roomId)
    const isMember = (server: ServerName): boolean => state?.isJoined(server) === true
    // Names cost nothing: all who are not in the room, as far as is known here, count as one.
    const isOfSame = (other: ServerName): boolean => (isMember(origin) ? other === origin : !isMember(other))
    let free = Math.min(
      stagedEventsPerRoomMax - rows.length,
      stagedEventsPerOriginMax - rows.filter(({ value }) => isOfSame(value.origin)).length,
    )
    const batch = new WriteBatch()
    const now = this.#clock.now()
    for (const [eventId, pdu] of events) {
      if (known.has(eventId) || !(await isEventSigned(this.#crypto, pdu, version))) continue
      if (free-- <= 0) {
        // The events are not lost: their servers have them, and tell of them by their extremities.
        this.#log.warn('Too many events of a room wait for their predecessors', { roomId, origin })
        break
      }
      const event = { pdu, origin, stagedAt: now, attempts: 0, retryAt: now + stagedRetryIntervalMs }
      batch.put(federationTables.staged, [roomId, eventId], event)
    }
    signal.throwIfAborted()
    if (batch.writes.length === 0) return
    await this.#storage.commit(batch.writes)
    await this.#noteDue(roomId)
  }

  /** What became of staged events: some need no stage any more, for others everybody was asked in vain once more. */
  async settle(
    roomId: RoomId,
    { settled, stuck }: { readonly settled: readonly EventId[]; readonly stuck: ReadonlyMap<EventId, Pdu> },
    signal: AbortSignal,
  ): Promise<void> {
    const batch = new WriteBatch()
    for (const eventId of settled) batch.delete(federationTables.staged, [roomId, eventId])
    for (const eventId of stuck.keys()) {
      const event = await this.#storage.get(federationTables.staged, [roomId, eventId])
      if (event === undefined) continue
      const next = this.#triedInVain(event)
      if (next === undefined) batch.delete(federationTables.staged, [roomId, eventId])
      else batch.put(federationTables.staged, [roomId, eventId], next)
    }
    signal.throwIfAborted()
    if (batch.writes.length > 0) await this.#storage.commit(batch.writes)
    await this.#noteDue(roomId)
  }

  async #noteDue(roomId: RoomId): Promise<void> {
    const left = await this.read(roomId)
    if (left.length === 0) this.#dueAt.delete(roomId)
    else this.#dueAt.set(roomId, Math.min(...left.map(({ retryAt }) => retryAt)))
  }

  /** Undefined after so long a time that nobody is going to have what is missing. */
  #triedInVain(event: StagedEvent): StagedEvent | undefined {
    const { stagedRetryIntervalMs, stagedRetryIntervalMaxMs, stagedLifetimeMs } = limits.implementation
    const now = this.#clock.now()
    if (event.stagedAt + stagedLifetimeMs <= now) return undefined
    const attempts = event.attempts + 1
    const pauseMs = growingWaitMs(attempts, stagedRetryIntervalMs, stagedRetryIntervalMaxMs)
    return { ...event, attempts, retryAt: now + pauseMs }
  }
}
