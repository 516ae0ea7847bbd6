import { type StateKey, stateKeyOf } from '../events/state-map.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { type AuthContext, type AuthEvent, type AuthOutcome, denied } from './auth-event.ts'
import { authTypesFor } from './auth-types.ts'
import { authorise } from './authorise.ts'

/**
 * Whether the events that the event itself cites allow it: rule 3 (2 before version 12), and then all others against these events.
 * An event that fails here is rejected for good.
 * @param authEvents the events of `auth_events`, all of them.
 * @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules
 */
export function authoriseByAuthEvents(
  event: AuthEvent,
  authEvents: readonly AuthEvent[],
  version: RoomVersion,
  context: AuthContext,
): AuthOutcome {
  const { pdu } = event
  const expected = new Set(authTypesFor(pdu, version).map(({ type, stateKey }) => stateKeyOf(type, stateKey)))
  const cited = new Map<StateKey, AuthEvent>()
  for (const authEvent of pdu.type === 'm.room.create' ? [] : authEvents) {
    const { type, state_key: stateKey, room_id: roomId } = authEvent.pdu
    const key = stateKey === undefined ? undefined : stateKeyOf(type, stateKey)
    // 3.1
    if (key !== undefined && cited.has(key)) return denied('auth-events.duplicate')
    // 3.2 In version 12 this includes the create event, which the room id implies.
    if (key === undefined || !expected.has(key)) return denied('auth-events.unexpected')
    // 3.3
    if (authEvent.rejected) return denied('auth-events.rejected')
    // 3.4 (2.5 before version 12)
    if (roomId !== pdu.room_id) return denied('auth-events.other-room')
    cited.set(key, authEvent)
  }
  // 2.4 Before version 12.
  const needsCreateEvent = !version.roomIdIsCreateEvent && pdu.type !== 'm.room.create'
  if (needsCreateEvent && !cited.has(stateKeyOf('m.room.create', ''))) return denied('auth-events.no-create-event')
  return authorise(event, (type, stateKey) => cited.get(stateKeyOf(type, stateKey)), version, context)
}
