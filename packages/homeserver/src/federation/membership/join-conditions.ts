import {
  isJsonObject,
  type JsonValue,
  ownMember,
  ownString,
  parseRoomId,
  powerLevelOf,
  requiredPowerForAction,
  type RoomId,
  type RoomVersion,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Rooms, RoomState } from '../../rooms/index.ts'

/** What this server can say for a user who wants to join one of its rooms. */
export type JoinConditions =
  /** The join stands or falls by the other rules: the room is not restricted, or the user is invited, joined or banned. */
  | { readonly kind: 'none' }
  /** A condition is met, and `voucher`, a member of this server who may invite, can stand for that. */
  | { readonly kind: 'met'; readonly voucher: UserId }
  /** A condition is met, but nobody here may invite. */
  | { readonly kind: 'no-voucher' }
  /** None that can be judged here is met, and there are others. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unmet' }

type RoomsReader = Pick<Rooms, 'state' | 'version' | 'isPartial'>

/** @see https://spec.matrix.org/latest/server-server-api/#restricted-rooms */
export function judgeJoinConditions(rooms: RoomsReader, serverName: ServerName, roomId: RoomId, userId: UserId): JoinConditions {
  const state = rooms.state(roomId)
  const version = rooms.version(roomId)
  if (state === undefined || version === undefined) return { kind: 'none' }
  if (!isRestricted(state, version)) return { kind: 'none' }
  const membership = state.membershipOf(userId)
  if (membership === 'invite' || membership === 'join' || membership === 'ban') return { kind: 'none' }
  const allowed = allowedRooms(state)
  if (allowed.some((allowedRoom) => rooms.state(allowedRoom)?.membershipOf(userId) === 'join' && isHeld(rooms, serverName, allowedRoom))) {
    const voucher = voucherOf(state, version, serverName)
    return voucher === undefined ? { kind: 'no-voucher' } : { kind: 'met', voucher }
  }
  // Of a room whose members are not all known yet, only a presence counts, no absence.
  const canJudge = (allowedRoom: RoomId): boolean => isHeld(rooms, serverName, allowedRoom) && !rooms.isPartial(allowedRoom)
  return allowed.every(canJudge) ? { kind: 'unmet' } : { kind: 'unknown' }
}

function isRestricted(state: RoomState, version: RoomVersion): boolean {
  const joinRule = ownString(state.get('m.room.join_rules', '')?.pdu.content, 'join_rule')
  return (joinRule === 'restricted' && version.restrictedJoins) || (joinRule === 'knock_restricted' && version.knockRestrictedJoins)
}

/** The rooms whose members may join. Conditions of other types are nobody's yet, and count as never met. */
function allowedRooms(state: RoomState): RoomId[] {
  const allow = ownMember(state.get('m.room.join_rules', '')?.pdu.content, 'allow')
  if (!Array.isArray(allow)) return []
  return allow.slice(0, limits.implementation.joinConditionsMax).flatMap((condition: JsonValue) => {
    if (!isJsonObject(condition) || condition['type'] !== 'm.room_membership') return []
    return parseRoomId(condition['room_id']) ?? []
  })
}

/** What is stored of a room that this server left is out of date. */
function isHeld(rooms: RoomsReader, serverName: ServerName, roomId: RoomId): boolean {
  return rooms.state(roomId)?.isJoined(serverName) === true
}

/** A member of this server who may invite. */
function voucherOf(state: RoomState, version: RoomVersion, serverName: ServerName): UserId | undefined {
  const powerLevels = state.get('m.room.power_levels', '')?.pdu.content
  const createEvent = state.get('m.room.create', '')?.pdu
  const required = requiredPowerForAction('invite', powerLevels, version)
  for (const { userId } of state.members('join')) {
    if (serverNameOf(userId) === serverName && powerLevelOf(userId, powerLevels, createEvent, version) >= required) return userId
  }
  return undefined
}
