import { fitsUtf8 } from '../bytes/utf8.ts'
import { parseRoomId, parseUserId, serverNameOfRoomId } from '../ids/ids.ts'
import { CanonicalJsonError } from '../json/canonical-json.ts'
import { isCanonicalInteger, isJsonObject, type JsonObject, ownMember } from '../json/json-value.ts'
import { protocolLimits } from '../limits.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { parseEventIdOf, parseEventReferences } from './event-references.ts'
import { eventJsonBytes } from './hashes.ts'
import type { Pdu } from './pdu.ts'

export type ParsedPdu = { readonly kind: 'ok'; readonly pdu: Pdu } | { readonly kind: 'bad'; readonly reason: string }

const { eventBytesMax, identifierBytesMax, prevEventsMax, authEventsMax, depthMax } = protocolLimits.specification

/**
 * Whether a value from the network is an event of this room version: its shape, its size and its limits. Hashes, signatures and the
 * auth rules are checked elsewhere. The PDU is the same object, unknown members included, since they are hashed.
 *
 * In room versions that do not enforce canonical JSON, content may hold other numbers. `depth` and `origin_server_ts` may not: redaction
 * keeps them, so the signature of an event with one that is no exact integer here could not be checked anyway.
 * @see https://spec.matrix.org/latest/client-server-api/#size-limits and https://spec.matrix.org/latest/rooms/v12/#event-format
 */
export function parsePdu(value: unknown, version: RoomVersion): ParsedPdu {
  if (!isJsonObject(value)) return bad('not an object')
  const reason =
    fault(value, memberRules) ??
    idsFault(value, version) ??
    roomIdFault(value, version) ??
    hashesFault(value) ??
    signaturesFault(value) ??
    sizeFault(value, version)
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
  ['unsigned', (unsigned) => unsigned === undefined || isJsonObject(unsigned), 'unsigned is no object'],
]

function fault(object: JsonObject, rules: readonly MemberRule[]): string | undefined {
  return rules.find(([name, isValid]) => !isValid(ownMember(object, name)))?.[2]
}

function idsFault(object: JsonObject, version: RoomVersion): string | undefined {
  if (version.eventIds === 'given' && parseEventIdOf(ownMember(object, 'event_id'), version) === undefined) return 'event_id is no event id'
  const lists = [
    ['prev_events', prevEventsMax],
    ['auth_events', authEventsMax],
  ] as const
  for (const [name, lengthMax] of lists) {
    if (parseEventReferences(ownMember(object, name), version, lengthMax) === undefined)
      return `${name} do not name at most ${lengthMax} events`
  }
  return undefined
}

function roomIdFault(object: JsonObject, version: RoomVersion): string | undefined {
  const roomId = ownMember(object, 'room_id')
  const isSourceOfRoomId = version.roomIdIsCreateEvent && object['type'] === 'm.room.create' && object['state_key'] === ''
  // A create event that names a room all the same is well-formed; the auth rules reject it.
  if (roomId === undefined && isSourceOfRoomId) return undefined
  const parsed = parseRoomId(roomId)
  const namesServer = parsed !== undefined && serverNameOfRoomId(parsed) !== undefined
  return parsed === undefined || namesServer === version.roomIdIsCreateEvent ? 'room_id is no room id' : undefined
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

function sizeFault(object: JsonObject, version: RoomVersion): string | undefined {
  try {
    return eventJsonBytes(object, version).length <= eventBytesMax ? undefined : `larger than ${eventBytesMax} bytes`
  } catch (error) {
    if (error instanceof CanonicalJsonError) return 'no canonical JSON'
    throw error
  }
}

function isIdentifier(value: unknown): boolean {
  return typeof value === 'string' && fitsUtf8(value, identifierBytesMax)
}

function bad(reason: string): ParsedPdu {
  return { kind: 'bad', reason }
}
