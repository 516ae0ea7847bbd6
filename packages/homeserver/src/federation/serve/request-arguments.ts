import {
  type EventId,
  parseEventId,
  parseRoomId,
  parseUserId,
  type RoomId,
  type RoomVersion,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import type { RoomState, StoredEvent } from '../../rooms/index.ts'
import { reachOf } from '../reach.ts'
import type { PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'
import { refuseShutOut } from './server-acl.ts'

const COUNT = /^[0-9]{1,16}$/
const TIME = /^-?[0-9]{1,16}$/

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

/** `true` or `false`; false when it is missing. */
export function booleanQuery(request: PeerRequest, name: string): boolean {
  const text = request.query.get(name) ?? 'false'
  if (text !== 'true' && text !== 'false') throw new MatrixError(400, 'M_INVALID_PARAM', `\`${name}\` must be true or false`)
  return text === 'true'
}

/** Milliseconds since the Unix epoch. */
export function timeQuery(request: PeerRequest, name: string): number {
  const text = request.query.get(name)
  if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', `\`${name}\` is missing`)
  if (!TIME.test(text)) throw new MatrixError(400, 'M_INVALID_PARAM', `\`${name}\` must be a time in milliseconds`)
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number(text), Number.MAX_SAFE_INTEGER))
}

export function directionQuery(request: PeerRequest): 'f' | 'b' {
  const text = request.query.get('dir')
  if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', '`dir` is missing')
  if (text !== 'f' && text !== 'b') throw new MatrixError(400, 'M_INVALID_PARAM', '`dir` must be f or b')
  return text
}

/** A room in which users of this server are joined, and in which the asking server may act. */
export function heldRoom(
  parts: ServeParts,
  request: PeerRequest,
  roomId: RoomId,
): { readonly state: RoomState; readonly version: RoomVersion } {
  const state = parts.rooms.state(roomId)
  const version = parts.rooms.version(roomId)
  if (state === undefined || version === undefined || !state.isJoined(parts.serverName)) {
    throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
  }
  refuseShutOut(parts.rooms, roomId, request.origin)
  return { state, version }
}

/** A room of which the asking server may know: it has joined users there, and is not shut out. */
export function sharedRoom(parts: ServeParts, request: PeerRequest, roomId: RoomId): RoomVersion {
  const state = parts.rooms.state(roomId)
  const version = parts.rooms.version(roomId)
  if (state === undefined || version === undefined || !state.isJoined(request.origin)) {
    throw new MatrixError(403, 'M_FORBIDDEN', 'Your server is not in the room')
  }
  refuseShutOut(parts.rooms, roomId, request.origin)
  return version
}

/** A room of which the asking server may know, or must be told how it came to be out of it, and which events it may look at. */
export async function sharedOrLostRoom(
  parts: ServeParts,
  request: PeerRequest,
  roomId: RoomId,
): Promise<{ readonly version: RoomVersion; readonly isInReach: (event: StoredEvent) => boolean }> {
  const isInReach = await reachOf(parts.rooms, roomId, request.origin)
  const version = parts.rooms.version(roomId)
  if (isInReach === undefined || version === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'Your server is not in the room')
  refuseShutOut(parts.rooms, roomId, request.origin)
  return { version, isInReach }
}

/** Whoever wants to know all of a room must ask a server that does. @throws MatrixError M_NOT_FOUND while members are missing here. */
export function refusePartial(parts: ServeParts, roomId: RoomId): void {
  if (parts.rooms.isPartial(roomId)) throw new MatrixError(404, 'M_NOT_FOUND', 'This server does not know the whole room yet')
}

/** A stored event of that room. */
export async function storedEvent(parts: ServeParts, roomId: RoomId, eventId: EventId): Promise<StoredEvent> {
  const event = await parts.rooms.event(eventId)
  if (event === undefined || event.roomId !== roomId) throw new MatrixError(404, 'M_NOT_FOUND', 'The event is not known here')
  return event
}
