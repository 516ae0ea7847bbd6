import { type EventId, parseServerName, type RoomId, type ServerName } from '@kith/matrix-protocol'
import type { DeliveryState } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { StorageReader } from '../../ports/storage.ts'
import { type Timeline, timelineTables } from '../../timeline/index.ts'

export interface DeliveriesPage {
  readonly next: number
  readonly deliveries: readonly DeliveryState[]
}

/** How far the events sent here have got, for the client API. */
export class Deliveries {
  readonly #storage: StorageReader
  readonly #timeline: Timeline

  constructor(storage: StorageReader, timeline: Timeline) {
    this.#storage = storage
    this.#timeline = timeline
  }

  /** Without `since`: everything undelivered (bounded). With it: every event whose state changed after that position. */
  read(since: number | undefined): Promise<DeliveriesPage> {
    return since === undefined ? this.#undelivered() : this.#changedSince(since)
  }

  async #undelivered(): Promise<DeliveriesPage> {
    // Taken first: what changes during the read is told again by the next page, rather than missed.
    const next = this.#timeline.position
    const limit = limits.implementation.deliveriesPerPageMax
    const rows = await this.#storage.range(timelineTables.outboxByEvent, { limit })
    const events = new Map<EventId, RoomId>()
    for (const { key, value } of rows) {
      const row = await this.#storage.get(timelineTables.outbox, [key[1], value])
      if (row?.item.kind === 'pdu') events.set(row.item.eventId, row.item.roomId)
    }
    return { next, deliveries: await this.#statesOf(events) }
  }

  async #changedSince(since: number): Promise<DeliveriesPage> {
    const limit = limits.implementation.deliveriesPerPageMax
    const committed = this.#timeline.position
    const rows = await this.#timeline.since(since, limit)
    const changed = new Map<EventId, RoomId>()
    const sent = new Map<EventId, RoomId>()
    for (const { value } of rows) {
      if (value.kind === 'delivery') changed.set(value.eventId, value.roomId)
      // An event that was just sent waits for its destinations, which no row of its own says.
      if (value.kind === 'room-event') sent.set(value.eventId, value.roomId)
    }
    const states = await this.#statesOf(changed)
    const waiting = (await this.#statesOf(new Map([...sent].filter(([eventId]) => !changed.has(eventId))))).filter(
      (state) => state.destinations.size > 0,
    )
    const next = rows.length < limit ? Math.max(committed, since, rows.at(-1)?.key[0] ?? 0) : (rows.at(-1)?.key[0] ?? since)
    return { next, deliveries: [...states, ...waiting] }
  }

  async #statesOf(events: ReadonlyMap<EventId, RoomId>): Promise<DeliveryState[]> {
    const states: DeliveryState[] = []
    for (const [eventId, roomId] of events) states.push({ roomId, eventId, destinations: await this.#destinationsOf(eventId) })
    return states
  }

  async #destinationsOf(eventId: EventId): Promise<Map<ServerName, 'waiting' | 'at_relay'>> {
    const limit = limits.implementation.deliveriesPerPageMax
    const pending = await this.#storage.range(timelineTables.outboxByEvent, { prefix: [eventId], limit })
    const rows = await this.#storage.getMany(
      timelineTables.outbox,
      pending.map(({ key, value }) => [key[1], value] as const),
    )
    const destinations = new Map<ServerName, 'waiting' | 'at_relay'>()
    for (const [index, { key }] of pending.entries()) {
      const row = rows[index]
      const destination = parseServerName(key[1])
      if (row !== undefined && destination !== undefined)
        destinations.set(destination, row.state.kind === 'at-relay' ? 'at_relay' : 'waiting')
    }
    return destinations
  }
}
