import { type EventId, type JsonObject, redactsOf, type UserId } from '@kith/matrix-protocol'
import type { Clock } from '../ports/clock.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { readSurroundings } from './event-surroundings.ts'
import type { Visibility } from './visibility.ts'

export interface EventReader {
  readonly userId: UserId
  /** Sees its own transaction ids. */
  readonly deviceId: string
}

/** An event in the form that clients see. */
export interface ClientEvent {
  readonly type: string
  readonly event_id: EventId
  readonly sender: UserId
  readonly origin_server_ts: number
  readonly content: JsonObject
  readonly room_id?: string
  readonly state_key?: string
  readonly redacts?: string
  readonly unsigned: JsonObject
}

/** What goes with an event because of others that relate to it. */
export interface Aggregated {
  /** The latest valid edit. */
  readonly edit?: StoredEvent
  readonly thread?: { readonly latest: StoredEvent; readonly count: number; readonly participated: boolean }
  readonly references?: readonly EventId[]
}

type AggregatedById = ReadonlyMap<EventId, Aggregated>

const none: AggregatedById = new Map()

/** For whom a batch of events is put together, and what was read for all of them. */
interface Batch {
  readonly reader: EventReader
  readonly surroundings: ReadonlyMap<EventId, JsonObject>
  readonly redactions: ReadonlyMap<EventId, StoredEvent>
}

/** As one user may see it, for a batch of events; those without are left out. */
export interface EventAggregations {
  of(events: readonly StoredEvent[], userId: UserId): Promise<ReadonlyMap<EventId, Aggregated>>
}

/** Turns stored events into what clients see. Spec: Client-Server API, Room event format. */
export class ClientEvents {
  readonly #rooms: Rooms
  readonly #clock: Clock
  readonly #aggregations: EventAggregations
  readonly #visibility: Visibility

  constructor(parts: {
    readonly rooms: Rooms
    readonly clock: Clock
    readonly aggregations: EventAggregations
    readonly visibility: Visibility
  }) {
    this.#rooms = parts.rooms
    this.#clock = parts.clock
    this.#aggregations = parts.aggregations
    this.#visibility = parts.visibility
  }

  /**
   * For /sync, where the room is known from the place.
   * @param known what goes with the events, where that was read already.
   */
  async withoutRoomId(events: readonly StoredEvent[], reader: EventReader, known?: AggregatedById): Promise<ClientEvent[]> {
    const aggregated = known ?? (await this.#aggregations.of(events, reader.userId))
    // A thread shows its latest event as that was edited. It is no thread itself, so this ends here.
    const latest = [...aggregated.values()].flatMap(({ thread }) => thread?.latest ?? [])
    const ofLatest = latest.length === 0 ? aggregated : await this.#aggregations.of(latest, reader.userId)
    const bundled = [...aggregated.values(), ...ofLatest.values()].flatMap(({ edit, thread }) => [edit ?? [], thread?.latest ?? []].flat())
    const parts = { rooms: this.#rooms, visibility: this.#visibility }
    const all = [...events, ...bundled]
    const surroundings = await readSurroundings(parts, all, reader.userId)
    const batch = { reader, surroundings, redactions: await this.#redactionsOf(all) }
    return events.map((event) => {
      const formatted = this.#format(event, batch)
      const relations = this.#relations(event, batch, { aggregated, ofLatest })
      return relations === undefined ? formatted : { ...formatted, unsigned: { ...formatted.unsigned, 'm.relations': relations } }
    })
  }

  async withRoomId(events: readonly StoredEvent[], reader: EventReader, known?: AggregatedById): Promise<ClientEvent[]> {
    const formatted = await this.withoutRoomId(events, reader, known)
    return formatted.map((event, index) => ({ ...event, room_id: events[index]?.roomId ?? '' }))
  }

  #format(event: StoredEvent, batch: Batch): ClientEvent {
    const { pdu } = event
    const redacts = this.#redactsOf(event)
    return {
      type: pdu.type,
      event_id: event.eventId,
      sender: pdu.sender,
      origin_server_ts: pdu.origin_server_ts,
      content: redacts === undefined ? pdu.content : { ...pdu.content, redacts },
      ...(pdu.state_key === undefined ? {} : { state_key: pdu.state_key }),
      ...(redacts === undefined ? {} : { redacts }),
      unsigned: this.#unsigned(event, batch),
    }
  }

  /** Spec: Client-Server API, Aggregations of child events. */
  #relations(
    event: StoredEvent,
    batch: Batch,
    { aggregated, ofLatest }: { readonly aggregated: AggregatedById; readonly ofLatest: AggregatedById },
  ): JsonObject | undefined {
    const found = aggregated.get(event.eventId)
    if (found === undefined) return undefined
    const { edit, thread, references } = found
    const nested = thread === undefined ? undefined : this.#relations(thread.latest, batch, { aggregated: ofLatest, ofLatest: none })
    return {
      ...(edit === undefined ? {} : { 'm.replace': this.#bundled(edit, batch) }),
      ...(references === undefined ? {} : { 'm.reference': { chunk: references.map((eventId) => ({ event_id: eventId })) } }),
      ...(thread === undefined
        ? {}
        : {
            'm.thread': {
              latest_event: this.#bundled(thread.latest, batch, nested),
              count: thread.count,
              current_user_participated: thread.participated,
            },
          }),
    }
  }

  #bundled(event: StoredEvent, batch: Batch, relations?: JsonObject): JsonObject {
    const formatted = this.#format(event, batch)
    const unsigned = { ...formatted.unsigned, ...(relations === undefined ? {} : { 'm.relations': relations }) }
    return { ...formatted, room_id: event.roomId, unsigned }
  }

  /** Room versions name the target in one place; clients of any age find it in either. Spec: Client-Server API, m.room.redaction. */
  #redactsOf(event: StoredEvent): string | undefined {
    const version = this.#rooms.version(event.roomId)
    return version === undefined ? undefined : redactsOf(event.pdu, version)
  }

  #unsigned(event: StoredEvent, batch: Batch): JsonObject {
    const { pdu, transactionId } = event
    const { reader, surroundings } = batch
    const isOwn = transactionId !== undefined && pdu.sender === reader.userId && transactionId.deviceId === reader.deviceId
    return {
      age: Math.max(0, this.#clock.now() - pdu.origin_server_ts),
      ...(isOwn ? { transaction_id: transactionId.txnId } : {}),
      ...surroundings.get(event.eventId),
      ...this.#redaction(event, batch),
    }
  }

  #redaction(event: StoredEvent, batch: Batch): JsonObject {
    const redaction = event.redactedBy === undefined ? undefined : batch.redactions.get(event.redactedBy)
    if (redaction === undefined) return {}
    // A redaction may itself be redacted, and in a circle; its own redaction is not told here.
    const { redactedBy: _redactedBy, ...plain } = redaction
    return { redacted_because: { ...this.#format(plain, batch), room_id: event.roomId } }
  }

  async #redactionsOf(events: readonly StoredEvent[]): Promise<ReadonlyMap<EventId, StoredEvent>> {
    const eventIds = [...new Set(events.flatMap(({ redactedBy }) => redactedBy ?? []))]
    const redactions = eventIds.length === 0 ? [] : await this.#rooms.events(eventIds)
    return new Map(redactions.flatMap((redaction) => (redaction === undefined ? [] : [[redaction.eventId, redaction]])))
  }
}
