import {
  type EventId,
  eventIdOf,
  type JsonObject,
  parseEventId,
  parsePdu,
  parseRoomId,
  parseUserId,
  type Pdu,
  type RoomId,
  type RoomVersion,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import type { RoomState, StoredEvent } from '../../rooms/index.ts'
import type { PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

const COUNT = /^[0-9]{1,9}$/

export function roomIdParameter(request: PeerRequest): RoomId {
  const roomId = parseRoomId(request.parameter('roomId'))
  if (roomId === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no room id')
  return roomId
}

export function eventIdParameter(request: PeerRequest): EventId {
  return eventIdOrThrow(request.parameter('eventId'))
}

export function eventIdQuery(request: PeerRequest): EventId {
  const text = request.query.get('event_id')
  if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', '`event_id` is missing')
  return eventIdOrThrow(text)
}

export function eventIdOrThrow(text: unknown): EventId {
  const eventId = parseEventId(text)
  if (eventId === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no event id')
  return eventId
}

/** A user of the asking server. */
export function ownUserParameter(request: PeerRequest): UserId {
  const userId = parseUserId(request.parameter('userId'))
  if (userId === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no user id')
  if (serverNameOf(userId) !== request.origin) throw new MatrixError(403, 'M_FORBIDDEN', 'The user is of another server')
  return userId
}

/** A user of this server, from a path or a query. */
export function localUser(parts: ServeParts, text: unknown): UserId {
  const userId = parseUserId(text)
  if (userId === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no user id')
  if (serverNameOf(userId) !== parts.serverName) throw new MatrixError(404, 'M_NOT_FOUND', 'The user is of another server')
  return userId
}

export function countQuery(request: PeerRequest, name: string, otherwise: number, countMax: number): number {
  const text = request.query.get(name)
  if (text === null) return otherwise
  if (!COUNT.test(text)) throw new MatrixError(400, 'M_INVALID_PARAM', `\`${name}\` must be a non-negative integer`)
  return Math.min(Number(text), countMax)
}

/** A room in which users of this server are joined. */
export function heldRoom(parts: ServeParts, roomId: RoomId): { readonly state: RoomState; readonly version: RoomVersion } {
  const state = parts.rooms.state(roomId)
  const version = parts.rooms.version(roomId)
  if (state === undefined || version === undefined || !state.isJoined(parts.serverName)) {
    throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
  }
  return { state, version }
}

/** A room of which the asking server may know: it has joined users there. */
export function sharedRoom(parts: ServeParts, request: PeerRequest, roomId: RoomId): RoomVersion {
  const state = parts.rooms.state(roomId)
  const version = parts.rooms.version(roomId)
  if (state === undefined || version === undefined || !state.isJoined(request.origin)) {
    throw new MatrixError(403, 'M_FORBIDDEN', 'Your server is not in the room')
  }
  return version
}

/** A stored event of that room. */
export async function storedEvent(parts: ServeParts, roomId: RoomId, eventId: EventId): Promise<StoredEvent> {
  const event = await parts.rooms.event(eventId)
  if (event === undefined || event.roomId !== roomId) throw new MatrixError(404, 'M_NOT_FOUND', 'The event is not known here')
  return event
}

/** The membership event of a send_join or send_leave: of a user of the asking server, about themself, with the id that the path names. */
export function memberEvent(request: PeerRequest, body: JsonObject, version: RoomVersion, membership: 'join' | 'leave'): Pdu {
  const parsed = parsePdu(body, version)
  if (parsed.kind === 'bad') throw new MatrixError(400, 'M_BAD_JSON', `The event is malformed: ${parsed.reason}`)
  const { pdu } = parsed
  if (pdu.type !== 'm.room.member' || pdu.state_key !== pdu.sender || pdu.content['membership'] !== membership) {
    throw new MatrixError(400, 'M_INVALID_PARAM', `The event is no ${membership} of its sender`)
  }
  if (pdu.room_id !== request.parameter('roomId')) throw new MatrixError(400, 'M_INVALID_PARAM', 'The event is of another room')
  if (serverNameOf(pdu.sender) !== request.origin) throw new MatrixError(403, 'M_FORBIDDEN', 'The sender is of another server')
  if (eventIdOf(pdu, version) !== request.parameter('eventId')) throw new MatrixError(400, 'M_INVALID_PARAM', 'The event has another id')
  return pdu
}
