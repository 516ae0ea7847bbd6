import { type EventId, type JsonObject, redactsOf, type UserId } from '@kith/matrix-protocol'
import type { Clock } from '../ports/clock.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'

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

/** As one user may see it, for a batch of events; those without are left out. */
export interface EventAggregations {
  of(events: readonly StoredEvent[], userId: UserId): Promise<ReadonlyMap<EventId, Aggregated>>
}

/** Turns stored events into what clients see. Spec: Client-Server API, Room event format. */
export class ClientEvents {
  readonly #rooms: Rooms
  readonly #clock: Clock
  readonly #aggregations: EventAggregations

  constructor(rooms: Rooms, clock: Clock, aggregations: EventAggregations) {
    this.#rooms = rooms
    this.#clock = clock
    this.#aggregations = aggregations
  }

  /** For /sync, where the room is known from the place. */
  async withoutRoomId(events: readonly StoredEvent[], reader: EventReader): Promise<ClientEvent[]> {
    const aggregated = await this.#aggregations.of(events, reader.userId)
    // A thread shows its latest event as that was edited. It is no thread itself, so this ends here.
    const latest = [...aggregated.values()].flatMap(({ thread }) => thread?.latest ?? [])
    const ofLatest = latest.length === 0 ? aggregated : await this.#aggregations.of(latest, reader.userId)
    return Promise.all(
      events.map(async (event) => {
        const formatted = await this.#format(event, reader)
        const relations = await this.#relations(event, reader, { aggregated, ofLatest })
        return relations === undefined ? formatted : { ...formatted, unsigned: { ...formatted.unsigned, 'm.relations': relations } }
      }),
    )
  }

  async withRoomId(events: readonly StoredEvent[], reader: EventReader): Promise<ClientEvent[]> {
    const formatted = await this.withoutRoomId(events, reader)
    return formatted.map((event, index) => ({ ...event, room_id: events[index]?.roomId ?? '' }))
  }

  async #format(event: StoredEvent, reader: EventReader): Promise<ClientEvent> {
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
      unsigned: await this.#unsigned(event, reader),
    }
  }

  /** Spec: Client-Server API, Aggregations of child events. */
  async #relations(
    event: StoredEvent,
    reader: EventReader,
    { aggregated, ofLatest }: { readonly aggregated: AggregatedById; readonly ofLatest: AggregatedById },
  ): Promise<JsonObject | undefined> {
    const found = aggregated.get(event.eventId)
    if (found === undefined) return undefined
    const { edit, thread, references } = found
    const nested = thread === undefined ? undefined : await this.#relations(thread.latest, reader, { aggregated: ofLatest, ofLatest: none })
    return {
      ...(edit === undefined ? {} : { 'm.replace': await this.#bundled(edit, reader) }),
      ...(references === undefined ? {} : { 'm.reference': { chunk: references.map((eventId) => ({ event_id: eventId })) } }),
      ...(thread === undefined
        ? {}
        : {
            'm.thread': {
              latest_event: await this.#bundled(thread.latest, reader, nested),
              count: thread.count,
              current_user_participated: thread.participated,
            },
          }),
    }
  }

  async #bundled(event: StoredEvent, reader: EventReader, relations?: JsonObject): Promise<JsonObject> {
    const formatted = await this.#format(event, reader)
    const unsigned = { ...formatted.unsigned, ...(relations === undefined ? {} : { 'm.relations': relations }) }
    return { ...formatted, room_id: event.roomId, unsigned }
  }

  /** Room versions name the target in one place; clients of any age find it in either. Spec: Client-Server API, m.room.redaction. */
  #redactsOf(event: StoredEvent): string | undefined {
    const version = this.#rooms.version(event.roomId)
    return version === undefined ? undefined : redactsOf(event.pdu, version)
  }

  async #unsigned(event: StoredEvent, reader: EventReader): Promise<JsonObject> {
    const { pdu, transactionId } = event
    const isOwn = transactionId !== undefined && pdu.sender === reader.userId && transactionId.deviceId === reader.deviceId
    return {
      age: Math.max(0, this.#clock.now() - pdu.origin_server_ts),
      ...(isOwn ? { transaction_id: transactionId.txnId } : {}),
      ...(await this.#replaced(event)),
      ...(await this.#redaction(event, reader)),
    }
  }

  /** What the state was before a state event. */
  async #replaced(event: StoredEvent): Promise<JsonObject> {
    if (event.pdu.state_key === undefined || event.stateBefore === undefined) return {}
    const replacedId = await this.#rooms.stateIdBefore(event, event.pdu.type, event.pdu.state_key)
    const replaced = replacedId === undefined ? undefined : await this.#rooms.event(replacedId)
    if (replaced === undefined) return {}
    return { replaces_state: replaced.eventId, prev_content: replaced.pdu.content, prev_sender: replaced.pdu.sender }
  }

  async #redaction(event: StoredEvent, reader: EventReader): Promise<JsonObject> {
    if (event.redactedBy === undefined) return {}
    const redaction = await this.#rooms.event(event.redactedBy)
    if (redaction === undefined) return {}
    // A redaction may itself be redacted, and in a circle; its own redaction is not told here.
    const { redactedBy: _redactedBy, stateBefore: _stateBefore, ...plain } = redaction
    const formatted = await this.#format(plain, reader)
    return { redacted_because: { ...formatted, room_id: event.roomId } }
  }
}
