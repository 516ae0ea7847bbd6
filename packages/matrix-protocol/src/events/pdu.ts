import type { EventId, RoomId, UserId } from '../ids/ids.ts'
import { type JsonObject, ownMember } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Signatures } from '../signing/signed-json.ts'

/**
 * An event as servers exchange it. Members that nobody knows are kept: they are part of the content hash.
 * @see https://spec.matrix.org/latest/rooms/v12/#event-format
 */
export interface Pdu {
  readonly type: string
  readonly sender: UserId
  /** Milliseconds since 1970, by the clock of the sender's server. */
  readonly origin_server_ts: number
  /** Absent only from the create event of a room version whose room ids are made from it. */
  readonly room_id?: RoomId
  /** Present in state events, and only there. */
  readonly state_key?: string
  readonly content: JsonObject
  readonly depth: number
  readonly prev_events: readonly EventId[]
  readonly auth_events: readonly EventId[]
  readonly hashes: { readonly sha256: string }
  readonly signatures: Signatures
  /** The target of a redaction, in room versions before 11. */
  readonly redacts?: EventId
  readonly unsigned?: JsonObject
}

/** A PDU before it is hashed and signed. */
export type UnhashedPdu = Omit<Pdu, 'hashes' | 'signatures'> & Partial<Pick<Pdu, 'hashes' | 'signatures'>>

/** What a redaction wants to redact, where this room version writes it. */
export function redactsOf(pdu: Pdu, version: RoomVersion): string | undefined {
  if (pdu.type !== 'm.room.redaction') return undefined
  const target = ownMember(version.redactsIn === 'content' ? pdu.content : pdu, 'redacts')
  return typeof target === 'string' ? target : undefined
}
