import { encodeBase64, encodeBase64Url } from '../bytes/base64.ts'
import { sha256 } from '../bytes/sha256.ts'
import type { EventId, RoomId } from '../ids/ids.ts'
import { canonicalJsonBytes, laxCanonicalJsonBytes } from '../json/canonical-json.ts'
import type { JsonValue } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { signingBytes } from '../signing/signed-json.ts'
import type { EventReference, Pdu, UnhashedPdu } from './pdu.ts'
import { unreachable } from '../unreachable.ts'
import { redact } from './redact.ts'

/**
 * The SHA-256, in unpadded base64, of everything but hashes, signatures and `unsigned`.
 * @see https://spec.matrix.org/latest/server-server-api/#calculating-the-content-hash-for-an-event
 * @throws CanonicalJsonError
 */
export function contentHash(pdu: UnhashedPdu, version: RoomVersion): string {
  const { hashes: _hashes, signatures: _signatures, unsigned: _unsigned, ...hashed } = pdu
  return encodeBase64(sha256(eventJsonBytes(hashed, version)))
}

/**
 * The event with its content hash, ready to be signed. Signatures of an earlier form are dropped.
 * @see https://spec.matrix.org/latest/server-server-api/#adding-hashes-and-signatures-to-outgoing-events
 * @throws CanonicalJsonError
 */
export function addContentHash(pdu: UnhashedPdu, version: RoomVersion): Pdu {
  return { ...pdu, hashes: { sha256: contentHash(pdu, version) }, signatures: {} }
}

/**
 * Whether the content is what was hashed. If not, the event counts only in its redacted form.
 * @see https://spec.matrix.org/latest/server-server-api/#validating-hashes-and-signatures-on-received-events
 */
export function checkContentHash(pdu: Pdu, version: RoomVersion): boolean {
  return pdu.hashes.sha256 === contentHash(pdu, version)
}

/**
 * The hash of the redacted event without signatures and `unsigned`, by which other events name it.
 * @see https://spec.matrix.org/latest/server-server-api/#calculating-the-reference-hash-for-an-event
 * @throws CanonicalJsonError
 */
export function referenceHash(
  pdu: Pdu,
  version: RoomVersion,
  signingBytesOfIt: Uint8Array = eventSigningBytes(pdu, version),
): Uint8Array<ArrayBuffer> {
  return sha256(signingBytesOfIt)
}

/**
 * The event id: the reference hash, or in the first room versions what the event says.
 * @param signingBytesOfIt see eventSigningBytes, for who has them already.
 * @see https://spec.matrix.org/latest/rooms/v4/#event-ids and https://spec.matrix.org/latest/rooms/v1/#event-ids
 * @throws CanonicalJsonError
 */
export function eventIdOf(pdu: Pdu, version: RoomVersion, signingBytesOfIt?: Uint8Array): EventId {
  switch (version.eventIds) {
    case 'hash-base64url':
      return `$${encodeBase64Url(referenceHash(pdu, version, signingBytesOfIt))}` as EventId
    case 'hash-base64':
      return `$${encodeBase64(referenceHash(pdu, version, signingBytesOfIt))}` as EventId
    case 'given':
      if (pdu.event_id === undefined) throw new Error('An event of this room version carries its id')
      return pdu.event_id
    default:
      return unreachable(version.eventIds)
  }
}

/**
 * How an event of this room version names others in `prev_events` and `auth_events`.
 * @see https://spec.matrix.org/latest/rooms/v1/#event-format
 * @throws CanonicalJsonError
 */
export function referencesTo(events: readonly { readonly eventId: EventId; readonly pdu: Pdu }[], version: RoomVersion): EventReference[] {
  return events.map(({ eventId, pdu }) => {
    switch (version.eventReferences) {
      case 'ids':
        return eventId
      case 'ids-with-hashes':
        return [eventId, { sha256: encodeBase64(referenceHash(pdu, version)) }]
      default:
        return unreachable(version.eventReferences)
    }
  })
}

/**
 * The bytes that the signatures of an event cover: its redacted form.
 * @see https://spec.matrix.org/latest/server-server-api/#signing-events
 * @throws CanonicalJsonError
 */
export function eventSigningBytes(pdu: Pdu, version: RoomVersion): Uint8Array<ArrayBuffer> {
  return signingBytes(redact(pdu, version), (signed) => eventJsonBytes(signed, version))
}

/**
 * An event, or a part of it, as it is hashed, signed and measured in this room version.
 * @see https://spec.matrix.org/latest/rooms/v6/#canonical-json
 * @throws CanonicalJsonError
 */
export function eventJsonBytes(value: JsonValue, version: RoomVersion): Uint8Array<ArrayBuffer> {
  return version.strictCanonicalJson ? canonicalJsonBytes(value) : laxCanonicalJsonBytes(value)
}

/**
 * The room of the event. A create event may be the source of the room's id instead of naming it.
 * @see https://spec.matrix.org/latest/appendices/#room-ids
 */
export function roomIdOf(pdu: Pdu, version: RoomVersion): RoomId {
  if (version.roomIdIsCreateEvent && pdu.type === 'm.room.create' && pdu.room_id === undefined)
    return roomIdFromCreateEvent(eventIdOf(pdu, version))
  if (pdu.room_id === undefined) throw new Error('The event names no room')
  return pdu.room_id
}

/** In versions whose room ids are made from the create event. @see https://spec.matrix.org/latest/appendices/#room-ids */
export function roomIdFromCreateEvent(eventId: EventId): RoomId {
  return `!${eventId.slice(1)}` as RoomId
}

/** The create event that a room id of such a version stands for. @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules rule 2 */
export function createEventIdOf(roomId: RoomId): EventId {
  return `$${roomId.slice(1)}` as EventId
}
