import {
  encodeBase64Url,
  encodeUtf8,
  type JsonObject,
  ownString,
  type Pdu,
  type RoomId,
  sha256,
  stripEvent,
  type UserId,
} from '@kith/matrix-protocol'
import type { Rooms, StoredInvite } from '../rooms/index.ts'
import type { SyncRequest } from './room-sections.ts'
import { membershipOf } from './room-state-changes.ts'

interface OutOfBandSections {
  readonly invite: Record<string, JsonObject>
  readonly knock: Record<string, JsonObject>
  readonly leave: Record<string, JsonObject>
}

/** Invites to, and knocks at, rooms that this server does not hold: those that came, and those that are gone. */
export function readOutOfBandInvites(rooms: Rooms, request: SyncRequest, changed: ReadonlySet<RoomId> | undefined): OutOfBandSections {
  const { userId } = request.reader
  const invite: Record<string, JsonObject> = {}
  const knock: Record<string, JsonObject> = {}
  const leave: Record<string, JsonObject> = {}
  for (const stored of rooms.invites(userId)) {
    const member = rooms.state(stored.roomId)?.get('m.room.member', userId)
    // An invite that came before the news that the user was put out of the room is news with that.
    if (member !== undefined && membershipOf(member) === 'join') continue
    const position = Math.max(stored.position, member?.position ?? 0)
    const isNew = request.after === undefined || request.fullState || position > request.after
    if (!isNew || !request.filter.acceptsRoom(stored.roomId) || request.ignored.has(stored.event.sender)) continue
    const events = strippedEvents(stored)
    if (rooms.knock(stored.roomId, userId) === stored) knock[stored.roomId] = { knock_state: { events } }
    else invite[stored.roomId] = { invite_state: { events } }
  }
  for (const roomId of changed ?? []) {
    if (isStored(rooms, roomId, userId) || !request.filter.acceptsRoom(roomId)) continue
    // Whoever is in the room by now reads of it there.
    if (rooms.state(roomId)?.get('m.room.member', userId) !== undefined) continue
    leave[roomId] = withdrawn(roomId, userId, request)
  }
  return { invite, knock, leave }
}

function isStored(rooms: Rooms, roomId: RoomId, userId: UserId): boolean {
  return (rooms.invite(roomId, userId) ?? rooms.knock(roomId, userId)) !== undefined
}

export function strippedEvents(stored: StoredInvite): JsonObject[] {
  const others = stored.strippedState.filter((event) => !(event['type'] === 'm.room.member' && event['state_key'] === stored.userId))
  const own = { ...stripEvent(stored.event), origin_server_ts: stored.event.origin_server_ts }
  return [...others.flatMap((event) => (isStripped(event) ? [stripEvent(event as unknown as Pdu)] : [])), own]
}

function isStripped(event: JsonObject): boolean {
  return ownString(event, 'type') !== undefined && ownString(event, 'sender') !== undefined && typeof event['content'] === 'object'
}

/** The event that ended the invite belongs to a room that is not held here; clients need one to see the invite go. */
function withdrawn(roomId: RoomId, userId: UserId, request: SyncRequest): JsonObject {
  const event = inventedLeave(roomId, userId, request.upTo)
  const stateEvents = request.stateName === 'state' ? [] : [event]
  return { timeline: { events: [event], limited: false }, [request.stateName]: { events: stateEvents }, account_data: { events: [] } }
}

/** For clients alone: it is part of no room. */
export function inventedLeave(roomId: RoomId, userId: UserId, position: number): JsonObject {
  return {
    type: 'm.room.member',
    event_id: `$${encodeBase64Url(sha256(encodeUtf8(`${roomId} ${userId} ${position}`)))}`,
    sender: userId,
    state_key: userId,
    origin_server_ts: 0,
    content: { membership: 'leave' },
  }
}
