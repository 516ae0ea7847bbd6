import { type EventId, powerLevelOf, requiredPowerForAction, type RoomId } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'
import { joinedState, notInRoom } from './room-access.ts'

/**
 * Users redact their own events; those of others need power. The rules of rooms ask less, where they trust all users of a server alike,
 * and take every redaction in, to judge it later: this server sends none that would have no effect.
 * @throws MatrixError M_FORBIDDEN, M_NOT_FOUND
 * @see https://spec.matrix.org/latest/client-server-api/#redactions
 */
export async function checkMayRedact(api: Api, session: Session, roomId: RoomId, targetId: EventId): Promise<void> {
  const state = joinedState(api, session, roomId)
  const target = await api.rooms.event(targetId)
  if (target !== undefined && target.roomId !== roomId) throw new MatrixError(404, 'M_NOT_FOUND', 'The room has no such event')
  if (target?.pdu.sender === session.userId) return
  const version = api.rooms.version(roomId)
  if (version === undefined) throw notInRoom()
  const levels = state.get('m.room.power_levels', '')?.pdu.content
  const power = powerLevelOf(session.userId, levels, state.get('m.room.create', '')?.pdu, version)
  if (power < requiredPowerForAction('redact', levels, version)) {
    throw new MatrixError(403, 'M_FORBIDDEN', 'You may not redact events of others in this room')
  }
}
