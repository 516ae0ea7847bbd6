import type { EventId, Pdu } from '@kith/matrix-protocol'
import type { EventStore } from './event-store.ts'
import type { StoredEvent } from './stored-event.ts'

/** Events as a commit under way will leave them, over those that are stored. */
export class DraftEvents {
  readonly #store: EventStore
  readonly #changed = new Map<EventId, StoredEvent>()
  /** What one read found for all events of a group; undefined: it is not stored. */
  readonly #loaded = new Map<EventId, StoredEvent | undefined>()

  /** Signatures of local events on their way. Nobody needs them before the commit, so the draft goes on without them. */
  readonly #unsigned: { readonly eventId: EventId; readonly signing: Promise<(pdu: Pdu) => Pdu> }[] = []

  constructor(store: EventStore) {
    this.#store = store
  }

  get changed(): ReadonlyMap<EventId, StoredEvent> {
    return this.#changed
  }

  /** Reads in one go what is going to be asked for one by one. */
  async load(eventIds: Iterable<EventId>): Promise<void> {
    const lacking = [...new Set(eventIds)].filter((eventId) => !this.#changed.has(eventId) && this.#loaded.get(eventId) === undefined)
    if (lacking.length === 0) return
    const stored = await this.#store.getMany(lacking)
    for (const [index, eventId] of lacking.entries()) this.#loaded.set(eventId, stored[index])
  }

  async get(eventId: EventId): Promise<StoredEvent | undefined> {
    const [event] = await this.getMany([eventId])
    return event
  }

  /** One result for each id, in their order. */
  async getMany(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]> {
    const isKnown = (eventId: EventId): boolean => this.#changed.has(eventId) || this.#loaded.has(eventId)
    const lacking = eventIds.filter((eventId) => !isKnown(eventId))
    const stored = lacking.length === 0 ? [] : await this.#store.getMany(lacking)
    let next = 0
    return eventIds.map((eventId) =>
      isKnown(eventId) || next >= stored.length ? (this.#changed.get(eventId) ?? this.#loaded.get(eventId)) : stored[next++],
    )
  }

  put(event: StoredEvent): void {
    this.#changed.set(event.eventId, event)
  }
  /** @param signing adds the signature to the event, in whatever form it is by then: redacted or not, one signature covers both. */
  signLater(eventId: EventId, signing: Promise<(pdu: Pdu) => Pdu>): void {
    // Whoever waits for the draft hears of a failure.
    signing.catch(() => undefined)
    this.#unsigned.push({ eventId, signing })
  }

  /** Must have ended before the draft is written. */
  async signed(): Promise<void> {
    for (const { eventId, signing } of this.#unsigned.splice(0)) {
      const sign = await signing
      const event = this.#changed.get(eventId)
      if (event !== undefined) this.#changed.set(eventId, { ...event, pdu: sign(event.pdu) })
    }
  }
}
