import { type EventId, parseEventId } from '../ids/ids.ts'
import { isJsonObject, ownMember } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { unreachable } from '../unreachable.ts'
import type { EventReference } from './pdu.ts'

/** A SHA-256 in either alphabet of base64. */
const HASH_ID = { 'hash-base64': /^\$[A-Za-z0-9+/]{43}$/, 'hash-base64url': /^\$[A-Za-z0-9_-]{43}$/ }

/**
 * The value as an event id of this room version; undefined when events of it cannot have such an id.
 * @see https://spec.matrix.org/latest/appendices/#event-ids
 */
export function parseEventIdOf(value: unknown, version: RoomVersion): EventId | undefined {
  const eventId = parseEventId(value)
  if (eventId === undefined) return undefined
  const isOfVersion = version.eventIds === 'given' ? eventId.includes(':') : HASH_ID[version.eventIds].test(eventId)
  return isOfVersion ? eventId : undefined
}

/**
 * The value as `prev_events` or `auth_events` of this room version; undefined when it is none.
 * @see https://spec.matrix.org/latest/rooms/v1/#event-format and https://spec.matrix.org/latest/rooms/v3/#event-format
 */
export function parseEventReferences(value: unknown, version: RoomVersion, lengthMax: number): readonly EventReference[] | undefined {
  if (!Array.isArray(value) || value.length > lengthMax) return undefined
  return value.every((reference: unknown) => isReference(reference, version)) ? (value as EventReference[]) : undefined
}

function isReference(value: unknown, version: RoomVersion): boolean {
  switch (version.eventReferences) {
    case 'ids':
      return parseEventIdOf(value, version) !== undefined
    case 'ids-with-hashes':
      return Array.isArray(value) && value.length === 2 && parseEventIdOf(value[0], version) !== undefined && isHashes(value[1])
    default:
      return unreachable(version.eventReferences)
  }
}

/** Nobody relies on these hashes, and old events have other algorithms in them: only their form counts. */
function isHashes(value: unknown): boolean {
  if (!isJsonObject(value)) return false
  const sha256 = ownMember(value, 'sha256')
  return sha256 === undefined || typeof sha256 === 'string'
}
