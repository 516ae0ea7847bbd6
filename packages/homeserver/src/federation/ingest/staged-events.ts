import type { EventId, Pdu, RoomId, ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Crypto } from '../../ports/crypto.ts'
import type { Log } from '../../ports/log.ts'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import type { Rooms } from '../../rooms/index.ts'
import { isEventSigned } from '../event-signatures.ts'
import { federationTables, type StagedEvent } from '../tables.ts'

const ROOMS_MAX = 10_000

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
  readonly #roomIds: Set<RoomId>

  private constructor(parts: StagedEventsParts, roomIds: Set<RoomId>) {
    this.#storage = parts.storage
    this.#crypto = parts.crypto
    this.#rooms = parts.rooms
    this.#clock = parts.clock
    this.#log = parts.log
    this.#roomIds = roomIds
  }

  static async open(parts: StagedEventsParts): Promise<StagedEvents> {
    const roomIds = new Set<RoomId>()
    let after: readonly [string, string] | undefined
    while (roomIds.size < ROOMS_MAX) {
      const query = after === undefined ? { limit: 1 } : { after, limit: 1 }
      const [entry] = await parts.storage.range(federationTables.staged, query)
      if (entry === undefined) break
      roomIds.add(entry.key[0])
      // Sorts behind every event id of that room.
      after = [entry.key[0], '\uffff']
    }
    return new StagedEvents(parts, roomIds)
  }

  has(roomId: RoomId): boolean {
    return this.#roomIds.has(roomId)
  }

  roomIds(): RoomId[] {
    return [...this.#roomIds]
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
    let free = Math.min(
      stagedEventsPerRoomMax - rows.length,
      stagedEventsPerOriginMax - rows.filter(({ value }) => value.origin === origin).length,
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
    this.#roomIds.add(roomId)
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
    const [left] = await this.#storage.range(federationTables.staged, { prefix: [roomId], limit: 1 })
    if (left === undefined) this.#roomIds.delete(roomId)
  }

  /** Undefined after so long a time that nobody is going to have what is missing. */
  #triedInVain(event: StagedEvent): StagedEvent | undefined {
    const { stagedRetryIntervalMs, stagedRetryIntervalMaxMs, stagedLifetimeMs } = limits.implementation
    const now = this.#clock.now()
    if (event.stagedAt + stagedLifetimeMs <= now) return undefined
    const attempts = event.attempts + 1
    const pauseMs = Math.min(stagedRetryIntervalMs * 2 ** Math.min(attempts, 20), stagedRetryIntervalMaxMs)
    return { ...event, attempts, retryAt: now + pauseMs }
  }
}
