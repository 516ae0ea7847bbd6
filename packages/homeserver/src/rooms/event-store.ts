import type { EventId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StorageReader } from '../ports/index.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { StoredEvent } from './stored-event.ts'
import { roomsTables } from './tables.ts'

/** Reads events, and keeps those used last in memory. What is remembered here is committed. */
export class EventStore {
  readonly #storage: StorageReader
  readonly #cache = new BoundedCache<EventId, StoredEvent>(
    limits.implementation.eventCacheCharactersMax,
    (event) => JSON.stringify(event.pdu).length,
  )
  /** Reads under way when an event changed must not bring its old form into the cache. */
  #changes = 0

  constructor(storage: StorageReader) {
    this.#storage = storage
  }

  cached(eventId: EventId): StoredEvent | undefined {
    return this.#cache.get(eventId)
  }

  async get(eventId: EventId): Promise<StoredEvent | undefined> {
    const [event] = await this.getMany([eventId])
    return event
  }

  /** One result for each id, in their order. */
  async getMany(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]> {
    const found = eventIds.map((eventId) => this.#cache.get(eventId))
    const missing = eventIds.filter((_, index) => found[index] === undefined)
    if (missing.length === 0) return found
    const changes = this.#changes
    const read = await this.#storage.getMany(
      roomsTables.events,
      missing.map((eventId) => [eventId]),
    )
    let next = 0
    return found.map((event) => {
      if (event !== undefined) return event
      const fromStorage = read[next++]
      if (fromStorage !== undefined && changes === this.#changes) this.#cache.set(fromStorage.eventId, fromStorage)
      return fromStorage
    })
  }

  /** After the commit that stored them. */
  remember(events: Iterable<StoredEvent>): void {
    this.#changes++
    for (const event of events) this.#cache.set(event.eventId, event)
  }

  forget(eventIds: Iterable<EventId>): void {
    this.#changes++
    for (const eventId of eventIds) this.#cache.delete(eventId)
  }
}
