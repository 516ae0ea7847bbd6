import type { EventId, RoomId, UserId } from '../ids/ids.ts'
import { type JsonObject, ownMember } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Signatures } from '../signing/signed-json.ts'

/**
 * How an event names another. In room versions 1 and 2, where ids are no hashes, the other's hashes stand beside its id; a PDU that was
 * parsed has only references of one form.
 * @see https://spec.matrix.org/latest/rooms/v1/#event-format
 */
export type EventReference = EventId | EventIdWithHashes
export type EventIdWithHashes = readonly [eventId: EventId, hashes: { readonly sha256?: string }]

/**
 * An event as servers exchange it. Members that nobody knows are kept: they are part of the content hash.
 * @see https://spec.matrix.org/latest/rooms/v12/#event-format
 */
export interface Pdu {
  readonly type: string
  readonly sender: UserId
  /** Present in room versions 1 and 2, and only there: later an event's id is its hash. */
  readonly event_id?: EventId
  /** Milliseconds since 1970, by the clock of the sender's server. */
  readonly origin_server_ts: number
  /** Absent only from the create event of a room version whose room ids are made from it. */
  readonly room_id?: RoomId
  /** Present in state events, and only there. */
  readonly state_key?: string
  readonly content: JsonObject
  readonly depth: number
  /** Read them with prevEventIdsOf. */
  readonly prev_events: readonly EventReference[]
  /** Read them with authEventIdsOf. */
  readonly auth_events: readonly EventReference[]
  readonly hashes: { readonly sha256: string }
  readonly signatures: Signatures
  /** The target of a redaction, in room versions before 11. */
  readonly redacts?: EventId
  readonly unsigned?: JsonObject
}

/** A PDU before it is hashed and signed. */
export type UnhashedPdu = Omit<Pdu, 'hashes' | 'signatures'> & Partial<Pick<Pdu, 'hashes' | 'signatures'>>

/**
 * What a redaction wants to redact, where this room version writes it.
 * @see https://spec.matrix.org/latest/client-server-api/#mroomredaction
 */
export function redactsOf(pdu: Pdu, version: RoomVersion): string | undefined {
  if (pdu.type !== 'm.room.redaction') return undefined
  const target = ownMember(version.redactsIn === 'content' ? pdu.content : pdu, 'redacts')
  return typeof target === 'string' ? target : undefined
}

/** The events that this one follows. @see https://spec.matrix.org/latest/server-server-api/#pdus */
export function prevEventIdsOf(pdu: Pick<Pdu, 'prev_events'>): readonly EventId[] {
  return idsOf(pdu.prev_events)
}

/** The events that this one cites for its authorisation. @see https://spec.matrix.org/latest/server-server-api/#auth-events-selection */
export function authEventIdsOf(pdu: Pick<Pdu, 'auth_events'>): readonly EventId[] {
  return idsOf(pdu.auth_events)
}

function idsOf(references: readonly EventReference[]): readonly EventId[] {
  // All have the form of the first.
  if (typeof references[0] !== 'object') return references as readonly EventId[]
  return references.map((reference) => (typeof reference === 'string' ? reference : reference[0]))
}
