import type { Pdu } from '../events/pdu.ts'
import { parseUserId } from '../ids/ids.ts'
import { ownMember } from '../json/json-value.ts'
import { allowed, type AuthOutcome, denied } from './auth-event.ts'
import { authoriseInvite } from './invite-rules.ts'
import { authoriseJoin } from './join-rules.ts'
import type { MemberChange } from './member-change.ts'
import type { RoomForRules } from './room-for-rules.ts'

/** Rule 5 (4 before version 12): memberships. @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules */
export function authoriseMember(pdu: Pdu, room: RoomForRules): AuthOutcome {
  // 5.1 A target and a membership.
  const membership = ownMember(pdu.content, 'membership')
  if (pdu.state_key === undefined) return denied('member.state-key')
  if (membership === undefined) return denied('member.membership')
  // 5.2 Whoever vouches for the join must have signed. The signature itself is checked with the others (requiredSigners), which
  // takes a user to name the server.
  const authorisedVia = ownMember(pdu.content, 'join_authorised_via_users_server')
  if (room.version.restrictedJoins && authorisedVia !== undefined && parseUserId(authorisedVia) === undefined) {
    return denied('member.authorised-via')
  }
  const change = { pdu, sender: pdu.sender, target: pdu.state_key }
  switch (membership) {
    case 'join': // 5.3
      return authoriseJoin(change, room)
    case 'invite': // 5.4
      return authoriseInvite(change, room)
    case 'leave': // 5.5
      return authoriseLeave(change, room)
    case 'ban': // 5.6
      return authoriseBan(change, room)
    case 'knock': // 5.7
      return room.version.knocking ? authoriseKnock(change, room) : denied('member.unknown')
    default: // 5.8
      return denied('member.unknown')
  }
}

function authoriseLeave({ sender, target }: MemberChange, room: RoomForRules): AuthOutcome {
  const targetMembership = room.membershipOf(target)
  // 5.5.1 Anybody may leave, decline and withdraw a knock.
  if (sender === target) {
    const canLeave = targetMembership === 'invite' || targetMembership === 'join' || (targetMembership === 'knock' && room.version.knocking)
    return canLeave ? allowed('member.leave.own.allowed') : denied('member.leave.not-in-room')
  }
  // 5.5.2
  if (room.membershipOf(sender) !== 'join') return denied('member.leave.sender-not-joined')
  // 5.5.3 Lifting a ban takes the power to ban.
  if (targetMembership === 'ban' && !room.may(sender, 'ban')) return denied('member.leave.unban-power')
  // 5.5.4
  if (!room.may(sender, 'kick')) return denied('member.leave.kick-power')
  if (room.powerOf(target) >= room.powerOf(sender)) return denied('member.leave.target-power')
  return allowed('member.leave.kick.allowed')
}

function authoriseBan({ sender, target }: MemberChange, room: RoomForRules): AuthOutcome {
  // 5.6.1
  if (room.membershipOf(sender) !== 'join') return denied('member.ban.sender-not-joined')
  // 5.6.2
  if (!room.may(sender, 'ban')) return denied('member.ban.power')
  if (room.powerOf(target) >= room.powerOf(sender)) return denied('member.ban.target-power')
  return allowed('member.ban.allowed')
}

function authoriseKnock({ sender, target }: MemberChange, room: RoomForRules): AuthOutcome {
  // 5.7.1
  const { joinRule } = room
  const canKnock = joinRule === 'knock' || (joinRule === 'knock_restricted' && room.version.knockRestrictedJoins)
  if (!canKnock) return denied('member.knock.join-rule')
  // 5.7.2
  if (sender !== target) return denied('member.knock.sender')
  // 5.7.3
  const membership = room.membershipOf(sender)
  if (membership === 'ban' || membership === 'invite' || membership === 'join') return denied(`member.knock.${membership}`)
  return allowed('member.knock.allowed')
}
