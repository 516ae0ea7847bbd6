import { fitsUtf8 } from '../bytes/utf8.ts'
import { parseEventId, parseRoomId, parseUserId } from '../ids/ids.ts'
import { canonicalJsonBytes, CanonicalJsonError } from '../json/canonical-json.ts'
import { isCanonicalInteger, isJsonObject, type JsonObject, ownMember } from '../json/json-value.ts'
import { protocolLimits } from '../limits.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Pdu } from './pdu.ts'

export type ParsedPdu = { readonly kind: 'ok'; readonly pdu: Pdu } | { readonly kind: 'bad'; readonly reason: string }

const { eventBytesMax, identifierBytesMax, prevEventsMax, authEventsMax, depthMax } = protocolLimits.specification

/**
 * Whether a value from the network is an event of this room version: its shape, its size and its limits. Hashes, signatures and the
 * auth rules are checked elsewhere. The PDU is the same object, unknown members included, since they are hashed.
 * @see https://spec.matrix.org/latest/client-server-api/#size-limits
 */
export function parsePdu(value: unknown, version: RoomVersion): ParsedPdu {
  if (!isJsonObject(value)) return bad('not an object')
  const reason =
    fault(value, memberRules) ?? roomIdFault(value, version) ?? hashesFault(value) ?? signaturesFault(value) ?? sizeFault(value)
  return reason === undefined ? { kind: 'ok', pdu: value as unknown as Pdu } : bad(reason)
}

/** One rule a member: what it must be, and what is said when it is not. */
type MemberRule = readonly [name: string, isValid: (value: unknown) => boolean, reason: string]

const memberRules: readonly MemberRule[] = [
  ['type', isIdentifier, 'type is no text of at most 255 bytes'],
  ['sender', (sender) => parseUserId(sender) !== undefined, 'sender is no user id'],
  ['state_key', (key) => key === undefined || isIdentifier(key), 'state_key is no text of at most 255 bytes'],
  ['content', isJsonObject, 'content is no object'],
  ['origin_server_ts', isCanonicalInteger, 'origin_server_ts is no integer'],
  ['depth', (depth) => isCanonicalInteger(depth) && depth >= 0 && depth <= depthMax, 'depth is no integer from 0 to 2^53 - 1'],
  ['prev_events', (ids) => isEventIdList(ids, prevEventsMax), `prev_events are not at most ${prevEventsMax} event ids`],
  ['auth_events', (ids) => isEventIdList(ids, authEventsMax), `auth_events are not at most ${authEventsMax} event ids`],
  ['unsigned', (unsigned) => unsigned === undefined || isJsonObject(unsigned), 'unsigned is no object'],
]

function fault(object: JsonObject, rules: readonly MemberRule[]): string | undefined {
  return rules.find(([name, isValid]) => !isValid(ownMember(object, name)))?.[2]
}

function roomIdFault(object: JsonObject, version: RoomVersion): string | undefined {
  const roomId = ownMember(object, 'room_id')
  const isSourceOfRoomId = version.roomIdIsCreateEvent && object['type'] === 'm.room.create' && object['state_key'] === ''
  // A create event that names a room all the same is well-formed; the auth rules reject it.
  if (roomId === undefined && isSourceOfRoomId) return undefined
  if (parseRoomId(roomId) === undefined) return 'room_id is no room id'
  return undefined
}

function hashesFault(object: JsonObject): string | undefined {
  const hashes = ownMember(object, 'hashes')
  return isJsonObject(hashes) && typeof ownMember(hashes, 'sha256') === 'string' ? undefined : 'hashes has no sha256'
}

function signaturesFault(object: JsonObject): string | undefined {
  const signatures = ownMember(object, 'signatures')
  const isMap =
    isJsonObject(signatures) &&
    Object.values(signatures).every((ofServer) => isJsonObject(ofServer) && Object.values(ofServer).every((s) => typeof s === 'string'))
  return isMap ? undefined : 'signatures is no map of servers to keys to signatures'
}

function sizeFault(object: JsonObject): string | undefined {
  try {
    return canonicalJsonBytes(object).length <= eventBytesMax ? undefined : `larger than ${eventBytesMax} bytes`
  } catch (error) {
    if (error instanceof CanonicalJsonError) return 'no canonical JSON'
    throw error
  }
}

function isIdentifier(value: unknown): boolean {
  return typeof value === 'string' && fitsUtf8(value, identifierBytesMax)
}

function isEventIdList(value: unknown, lengthMax: number): boolean {
  return Array.isArray(value) && value.length <= lengthMax && value.every((id) => parseEventId(id) !== undefined)
}

function bad(reason: string): ParsedPdu {
  return { kind: 'bad', reason }
}
