import { isJsonObject, ownMember, ownString, powerLevelOf, type RoomVersion, type UserId } from '@kith/matrix-protocol'
import type { RoomState } from '../rooms/index.ts'
import type { PushSurroundings } from './evaluate.ts'

/** Where the power levels of a room say nothing else. */
const notificationLevelDefault = 50

/** What the rules of one user may ask about the room of an event. To be used before the state of the room can change. */
export function pushSurroundingsOf(
  room: { readonly state: RoomState; readonly version: RoomVersion },
  userId: UserId,
  sender: UserId,
): PushSurroundings {
  const { state, version } = room
  const member = state.get('m.room.member', userId)
  return {
    userId,
    displayName: member === undefined ? undefined : ownString(member.pdu.content, 'displayname'),
    joinedMembers: state.joinedTotal,
    senderMayNotify: (key) => mayNotify(state, version, sender, key),
  }
}

function mayNotify(state: RoomState, version: RoomVersion, sender: UserId, key: string): boolean {
  const create = state.get('m.room.create', '')
  if (create === undefined) return false
  const levels = state.get('m.room.power_levels', '')?.pdu.content ?? {}
  const notifications = ownMember(levels, 'notifications')
  const required = isJsonObject(notifications) ? ownMember(notifications, key) : undefined
  return powerLevelOf(sender, levels, create.pdu, version) >= (typeof required === 'number' ? required : notificationLevelDefault)
}
