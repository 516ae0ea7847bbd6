import { createEventIdOf } from '../events/hashes.ts'
import { type Pdu, redactsOf } from '../events/pdu.ts'
import { serverNameOf, serverNameOfEventId } from '../ids/ids.ts'
import { ownMember } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { allowed, type AuthContext, type AuthEvent, type AuthOutcome, type AuthState, denied } from './auth-event.ts'
import { authoriseCreate } from './create-rules.ts'
import { authoriseMember } from './member-rules.ts'
import { authorisePowerLevels } from './power-level-rules.ts'
import { requiredPowerForEvent } from './power-levels.ts'
import { RoomForRules } from './room-for-rules.ts'

/**
 * Whether the room's rules allow the event in the given state. Rule 3, which looks at the event's own `auth_events`, is
 * authoriseByAuthEvents. Signatures, and with them rule 5.2, are checked before, see requiredSigners.
 * Numbers are those of version 12; up to version 11 there is no rule 2 and each later rule counts one less.
 * @see https://spec.matrix.org/latest/rooms/v12/#authorization-rules
 */
export function authorise(event: AuthEvent, state: AuthState, version: RoomVersion, context: AuthContext): AuthOutcome {
  const { pdu } = event
  // 1. The create event needs nothing before it.
  if (pdu.type === 'm.room.create') return authoriseCreate(pdu, version)
  const createEvent = version.roomIdIsCreateEvent ? context.createEvent : state('m.room.create', '')
  if (createEvent === undefined) return denied('room.no-create-event')
  // 2. The room id names an accepted create event. A rejected one makes no room in any version.
  if (createEvent.rejected) return denied('room.create-event-rejected')
  if (version.roomIdIsCreateEvent && !isMadeFrom(pdu, createEvent)) return denied('room.create-event-mismatch')
  return authoriseInRoom(pdu, new RoomForRules(state, createEvent, version, context))
}

function isMadeFrom(pdu: Pdu, createEvent: AuthEvent): boolean {
  const isCreateEvent = createEvent.pdu.type === 'm.room.create' && createEvent.pdu.state_key === ''
  return isCreateEvent && pdu.room_id !== undefined && createEventIdOf(pdu.room_id) === createEvent.eventId
}

function authoriseInRoom(pdu: Pdu, room: RoomForRules): AuthOutcome {
  const { version } = room
  const createPdu = room.createEvent.pdu
  const isForeign = serverNameOf(pdu.sender) !== serverNameOf(createPdu.sender)
  // 4. A room may be kept to the creator's server.
  if (ownMember(createPdu.content, 'm.federate') === false && isForeign) return denied('room.not-federated')
  // Before version 6: aliases belong to the server in their state key.
  if (version.aliasesHaveOwnAuthRule && pdu.type === 'm.room.aliases') {
    if (pdu.state_key === undefined) return denied('aliases.state-key')
    return pdu.state_key === serverNameOf(pdu.sender) ? allowed('aliases.allowed') : denied('aliases.domain')
  }
  // 5. Memberships have rules of their own.
  if (pdu.type === 'm.room.member') return authoriseMember(pdu, room)
  // 6. Only members send.
  if (room.membershipOf(pdu.sender) !== 'join') return denied('sender.not-joined')
  // 7. Inviting an address takes the same power as inviting a user.
  if (pdu.type === 'm.room.third_party_invite') {
    return room.may(pdu.sender, 'invite') ? allowed('third-party-invite.allowed') : denied('third-party-invite.power')
  }
  // 8. Each type of event takes its power.
  const required = requiredPowerForEvent(pdu.type, pdu.state_key !== undefined, room.powerLevels, version)
  if (required > room.powerOf(pdu.sender)) return denied('sender.power')
  // 9. State about a user is the user's own.
  if (pdu.state_key?.startsWith('@') === true && pdu.state_key !== pdu.sender) return denied('state-key.other-user')
  // 10.
  if (pdu.type === 'm.room.power_levels') return authorisePowerLevels(pdu, room)
  // Before version 3: redactions were decided on receipt.
  if (version.redactionsHaveOwnAuthRule && pdu.type === 'm.room.redaction') return authoriseRedaction(pdu, room)
  // 11.
  return allowed('otherwise.allowed')
}

function authoriseRedaction(pdu: Pdu, room: RoomForRules): AuthOutcome {
  if (room.may(pdu.sender, 'redact')) return allowed('redaction.power.allowed')
  const server = serverNameOfEventId(pdu.event_id ?? '')
  const isOfOwnServer = server !== undefined && serverNameOfEventId(redactsOf(pdu, room.version) ?? '') === server
  return isOfOwnServer ? allowed('redaction.own-server.allowed') : denied('redaction.power')
}

/**
 * Whether a redaction that was accepted takes effect on its target: its sender may redact, or sent from the server that sent the target.
 * Before version 3 the auth rules decided that already.
 * @see https://spec.matrix.org/latest/rooms/v12/#handling-redactions
 */
export function redactionApplies(redaction: Pdu, target: Pdu, state: AuthState, version: RoomVersion, context: AuthContext): boolean {
  if (target.type === 'm.room.create' || redaction.room_id !== target.room_id) return false
  if (version.redactionsHaveOwnAuthRule) return true
  if (serverNameOf(redaction.sender) === serverNameOf(target.sender)) return true
  const createEvent = version.roomIdIsCreateEvent ? context.createEvent : state('m.room.create', '')
  return createEvent !== undefined && new RoomForRules(state, createEvent, version, context).may(redaction.sender, 'redact')
}
