import { isJsonObject, type JsonObject, type RoomId, type UserId } from '@kith/matrix-protocol'
import type { RoomState, Rooms, StoredEvent, StoredInvite } from '../../rooms/index.ts'
import type { PastStays } from '../last-stay.ts'
import type { Connection } from './connection.ts'
import type { ListFilters, ListRequest, RoomConfig } from './sliding-request.ts'
import type { RoomMarks } from './room-marks.ts'
import { wantsAllMembers } from './wanted-state.ts'

/** A room that a user may be told of, and as what. */
export interface ListedRoom {
  readonly roomId: RoomId
  /** Later is higher in lists. */
  readonly bumpedAt: number
  readonly as:
    | { readonly kind: 'member'; readonly member: StoredEvent; readonly membership: 'join' | 'invite' | 'knock' | 'leave' | 'ban' }
    /** An invite to, or a knock at, a room that this server does not hold. */
    | { readonly kind: 'outside'; readonly invite: StoredInvite }
    /** What the client knows of is over, and no event says so. */
    | { readonly kind: 'gone' }
}

/** Rooms that users left and want to hear no more of. */
export interface Forgotten {
  has(userId: UserId, roomId: RoomId): boolean
}

/**
 * The rooms of a user, the latest first: those of which they are a member, are invited to or knock at, those they were put out of, and
 * those they have left since this connection told of them. Everything is read from memory but for who was put out, once.
 */
export async function listRooms(
  { rooms, forgotten, stays }: { readonly rooms: Rooms; readonly forgotten: Forgotten; readonly stays: PastStays },
  { userId, ignored }: { readonly userId: UserId; readonly ignored: ReadonlySet<string> },
  connection: Connection,
): Promise<ListedRoom[]> {
  const listed = new Map<RoomId, ListedRoom>()
  for (const roomId of rooms.roomIds()) {
    const member = rooms.state(roomId)?.get('m.room.member', userId)
    if (member === undefined || (member.pdu.content['membership'] === 'invite' && ignored.has(member.pdu.sender))) continue
    const isIn = isListed(roomId, member, connection)
    if (isIn === 'put-out' ? !forgotten.has(userId, roomId) && (await stays.endedBy(roomId, userId, member)) : isIn)
      listed.set(roomId, listedMember(rooms, roomId, member))
  }
  for (const invite of rooms.invites(userId)) {
    const { roomId, position } = invite
    const member = rooms.state(roomId)?.get('m.room.member', userId)
    if (member?.pdu.content['membership'] === 'join' || ignored.has(invite.event.sender)) continue
    listed.set(roomId, { roomId, bumpedAt: Math.max(position, member?.position ?? 0), as: { kind: 'outside', invite } })
  }
  for (const [roomId, sent] of connection.rooms.entries()) {
    if (listed.has(roomId) || sent.membership === 'leave' || sent.membership === 'ban') continue
    listed.set(roomId, { roomId, bumpedAt: rooms.activity(roomId)?.changedAt ?? 0, as: { kind: 'gone' } })
  }
  return [...listed.values()].sort((a, b) => b.bumpedAt - a.bumpedAt || (a.roomId < b.roomId ? -1 : 1))
}

/** `put-out`: by others, and so only if they were inside before. */
function isListed(roomId: RoomId, member: StoredEvent, connection: Connection): boolean | 'put-out' {
  switch (member.pdu.content['membership']) {
    case 'join':
    case 'invite':
    case 'knock':
      return true
    case 'leave':
    case 'ban': {
      const sent = connection.rooms.get(roomId)
      if (sent !== undefined && sent.memberEventId !== member.eventId) return true
      return member.pdu.sender === member.pdu.state_key ? false : 'put-out'
    }
    default:
      return false
  }
}

function listedMember(rooms: Rooms, roomId: RoomId, member: StoredEvent): ListedRoom {
  const membership = member.pdu.content['membership'] as 'join' | 'invite' | 'knock' | 'leave' | 'ban'
  const came = member.position ?? 0
  const bumpedAt = membership === 'join' ? (rooms.activity(roomId)?.bumpedAt ?? came) : came
  return { roomId, bumpedAt, as: { kind: 'member', member, membership } }
}

/** The rooms of one list, in its order. */
export function filterRooms(
  listed: readonly ListedRoom[],
  list: ListRequest,
  rooms: Rooms,
  marks: RoomMarks,
  userId: UserId,
): ListedRoom[] {
  const { filters } = list
  const ofSpaces = filters.spaces === undefined ? undefined : childrenOf(filters.spaces, rooms, userId)
  return listed.filter(
    (room) =>
      (ofSpaces === undefined || ofSpaces.has(room.roomId)) &&
      showsWhole(rooms, room.roomId, list) &&
      isMarked(room.roomId, filters, marks) &&
      isOfKind(room, filters, rooms),
  )
}

/** A client that does not load members lazily takes those that it is told of for all: it sees a room when they are known. */
export function showsWhole(rooms: Pick<Rooms, 'isPartial'>, roomId: RoomId, { requiredState }: RoomConfig): boolean {
  return !rooms.isPartial(roomId) || !wantsAllMembers(requiredState)
}

function isMarked(roomId: RoomId, filters: ListFilters, marks: RoomMarks): boolean {
  if (filters.isDirect !== undefined && marks.direct.has(roomId) !== filters.isDirect) return false
  if (filters.tags === undefined && filters.notTags === undefined) return true
  const tags = marks.tags.get(roomId)
  if (filters.notTags?.some((tag) => tags?.has(tag) === true) === true) return false
  return filters.tags === undefined || filters.tags.some((tag) => tags?.has(tag) === true)
}

function isOfKind(room: ListedRoom, filters: ListFilters, rooms: Rooms): boolean {
  const { isInvited, isEncrypted, roomTypes, notRoomTypes } = filters
  if (isInvited !== undefined && isInvite(room) !== isInvited) return false
  if (isEncrypted === undefined && roomTypes === undefined && notRoomTypes === undefined) return true
  const look = viewOf(room, rooms)
  if (isEncrypted !== undefined && (look('m.room.encryption') !== undefined) !== isEncrypted) return false
  const type = look('m.room.create')?.['type']
  const roomType = typeof type === 'string' ? type : null
  return notRoomTypes?.includes(roomType) !== true && (roomTypes === undefined || roomTypes.includes(roomType))
}

function isInvite({ as }: ListedRoom): boolean {
  return as.kind === 'member' ? as.membership === 'invite' : as.kind === 'outside' && as.invite.event.content['membership'] === 'invite'
}

/** The contents of state events without a key, as far as the user may know of them. */
function viewOf({ roomId, as }: ListedRoom, rooms: Rooms): (type: string) => JsonObject | undefined {
  if (as.kind === 'outside') {
    return (type) => {
      const content = as.invite.strippedState.find((event) => event['type'] === type && (event['state_key'] ?? '') === '')?.['content']
      return isJsonObject(content) ? content : undefined
    }
  }
  const state = rooms.state(roomId)
  return (type) => state?.get(type, '')?.pdu.content
}

function childrenOf(spaces: readonly string[], rooms: Rooms, userId: UserId): Set<string> {
  const children = new Set<string>()
  for (const space of new Set(spaces)) {
    const state = rooms.state(space as RoomId)
    if (state?.membershipOf(userId) === 'join') for (const child of childrenIn(state)) children.add(child)
  }
  return children
}

function* childrenIn(state: RoomState): Iterable<string> {
  for (const { pdu } of state.entries()) {
    // Without servers to ask it is no child any more. Spec: Client-Server API, m.space.child.
    if (pdu.type === 'm.space.child' && pdu.state_key !== undefined && Array.isArray(pdu.content['via'])) yield pdu.state_key
  }
}
