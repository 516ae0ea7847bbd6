import { prevEventIdsOf } from '../events/pdu.ts'
import { ownString } from '../json/json-value.ts'
import { allowed, type AuthOutcome, denied } from './auth-event.ts'
import type { MemberChange } from './member-change.ts'
import { creatorsOf } from './power-levels.ts'
import type { RoomForRules } from './room-for-rules.ts'

/** Rule 5.3: who may join. @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules */
export function authoriseJoin(change: MemberChange, room: RoomForRules): AuthOutcome {
  const { pdu, sender, target } = change
  // 5.3.1 The creator's join is the second event of the room.
  const { createEvent, version } = room
  const isSecondEvent = prevEventIdsOf(pdu).length === 1 && prevEventIdsOf(pdu)[0] === createEvent.eventId
  // Of several creators only the one that made the create event enters this way; the others are invited.
  if (isSecondEvent && target === creatorsOf(createEvent.pdu, version)[0]) return allowed('member.join.first.allowed')
  // 5.3.2 Nobody joins for others.
  if (sender !== target) return denied('member.join.sender')
  // 5.3.3
  const membership = room.membershipOf(sender)
  if (membership === 'ban') return denied('member.join.banned')
  const isInvitedOrJoined = membership === 'invite' || membership === 'join'
  switch (room.joinRule) {
    case 'invite': // 5.3.4
      return isInvitedOrJoined ? allowed('member.join.invited.allowed') : denied('member.join.not-invited')
    case 'knock': // 5.3.4
      if (!version.knocking) return denied('member.join.rule-unknown')
      return isInvitedOrJoined ? allowed('member.join.invited.allowed') : denied('member.join.not-invited')
    case 'restricted': // 5.3.5
      return version.restrictedJoins ? authoriseRestrictedJoin(change, room, isInvitedOrJoined) : denied('member.join.rule-unknown')
    case 'knock_restricted': // 5.3.5
      return version.knockRestrictedJoins ? authoriseRestrictedJoin(change, room, isInvitedOrJoined) : denied('member.join.rule-unknown')
    case 'public': // 5.3.6
      return allowed('member.join.public.allowed')
    default: // 5.3.7
      return denied('member.join.rule-unknown')
  }
}

function authoriseRestrictedJoin({ pdu }: MemberChange, room: RoomForRules, isInvitedOrJoined: boolean): AuthOutcome {
  // 5.3.5.1
  if (isInvitedOrJoined) return allowed('member.join.restricted.invited.allowed')
  // 5.3.5.2 A member who may invite vouches that the conditions are met. One who left has no permission to invite either.
  const authorisedVia = ownString(pdu.content, 'join_authorised_via_users_server')
  if (authorisedVia === undefined) return denied('member.join.restricted.not-authorised')
  if (room.membershipOf(authorisedVia) !== 'join') return denied('member.join.restricted.authoriser-not-joined')
  if (!room.may(authorisedVia, 'invite')) return denied('member.join.restricted.authoriser-power')
  // 5.3.5.3
  return allowed('member.join.restricted.allowed')
}
