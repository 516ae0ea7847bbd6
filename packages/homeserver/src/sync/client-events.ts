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

/** Turns stored events into what clients see. Spec: Client-Server API, Room event format. */
export class ClientEvents {
  readonly #rooms: Rooms
  readonly #clock: Clock

  constructor(rooms: Rooms, clock: Clock) {
    this.#rooms = rooms
    this.#clock = clock
  }

  /** For /sync, where the room is known from the place. */
  async withoutRoomId(events: readonly StoredEvent[], reader: EventReader): Promise<ClientEvent[]> {
    return Promise.all(events.map(async (event) => this.#format(event, reader)))
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
