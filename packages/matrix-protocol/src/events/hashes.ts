import { encodeBase64, encodeBase64Url } from '../bytes/base64.ts'
import { sha256 } from '../bytes/sha256.ts'
import type { EventId, RoomId } from '../ids/ids.ts'
import { canonicalJsonBytes } from '../json/canonical-json.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { signingBytes } from '../signing/signed-json.ts'
import type { Pdu, UnhashedPdu } from './pdu.ts'
import { redact } from './redact.ts'

/**
 * The SHA-256, in unpadded base64, of everything but hashes, signatures and `unsigned`.
 * @see https://spec.matrix.org/latest/server-server-api/#calculating-the-content-hash-for-an-event
 * @throws CanonicalJsonError
 */
export function contentHash(pdu: UnhashedPdu): string {
  const { hashes: _hashes, signatures: _signatures, unsigned: _unsigned, ...hashed } = pdu
  return encodeBase64(sha256(canonicalJsonBytes(hashed)))
}

/** The event with its content hash, ready to be signed. Signatures of an earlier form are dropped. */
export function addContentHash(pdu: UnhashedPdu): Pdu {
  return { ...pdu, hashes: { sha256: contentHash(pdu) }, signatures: {} }
}

/** Whether the content is what was hashed. If not, the event counts only in its redacted form. */
export function checkContentHash(pdu: Pdu): boolean {
  return pdu.hashes.sha256 === contentHash(pdu)
}

/**
 * The event id: the hash of the redacted event without signatures and `unsigned`.
 * @see https://spec.matrix.org/latest/server-server-api/#calculating-the-reference-hash-for-an-event
 * @throws CanonicalJsonError
 */
export function eventIdOf(pdu: Pdu, version: RoomVersion): EventId {
  const hash = sha256(eventSigningBytes(pdu, version))
  switch (version.eventIds) {
    case 'hash-base64url':
      return `$${encodeBase64Url(hash)}` as EventId
    case 'hash-base64':
      return `$${encodeBase64(hash)}` as EventId
    case 'given':
      throw new Error('Events of this room version carry their id')
  }
}

/** The bytes that the signatures of an event cover: its redacted form. */
export function eventSigningBytes(pdu: Pdu, version: RoomVersion): Uint8Array<ArrayBuffer> {
  return signingBytes(redact(pdu, version))
}

/** The room of the event. A create event may be the source of the room's id instead of naming it. */
export function roomIdOf(pdu: Pdu, version: RoomVersion): RoomId {
  if (version.roomIdIsCreateEvent && pdu.type === 'm.room.create' && pdu.room_id === undefined)
    return roomIdFromCreateEvent(eventIdOf(pdu, version))
  if (pdu.room_id === undefined) throw new Error('The event names no room')
  return pdu.room_id
}

/** In versions whose room ids are made from the create event. */
export function roomIdFromCreateEvent(eventId: EventId): RoomId {
  return `!${eventId.slice(1)}` as RoomId
}

/** The create event that a room id of such a version stands for. */
export function createEventIdOf(roomId: RoomId): EventId {
  return `$${roomId.slice(1)}` as EventId
}
