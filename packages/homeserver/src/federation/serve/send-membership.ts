import { authEventIdsOf, type EventId, type JsonObject, type Pdu, type RoomId, unreachable } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { pduJson } from '../transaction.ts'
import { eventIdParameter, heldRoom, memberEvent, roomIdParameter } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import { NOTHING, type ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2send_joinroomideventid */
export function sendJoinEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v2/send_join/:roomId/:eventId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const eventId = eventIdParameter(request)
      const pdu = await receiveMember(parts, request, roomId, 'join')
      const state = await parts.rooms.stateBefore(eventId)
      if (state === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The state at this join is not known here')
      const entries = [...state.entries()]
      const authChain = await parts.rooms.authChain([...entries.map((entry) => entry.eventId), ...authEventIdsOf(pdu)])
      if (authChain === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'The room is too large for this server')
      // The chain of the auth events does not hold the auth events themselves; the state does, as far as they are still current.
      const authEvents = await storedPdus(parts, authEventIdsOf(pdu))
      return {
        origin: parts.serverName,
        members_omitted: false,
        state: entries.map((entry) => pduJson(entry.pdu)),
        auth_chain: [...authChain.map((event) => pduJson(event.pdu)), ...authEvents.map(pduJson)],
        event: pduJson((await parts.rooms.event(eventId))?.pdu ?? pdu),
      }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2send_leaveroomideventid */
export function sendLeaveEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v2/send_leave/:roomId/:eventId',
    async handle(request): Promise<JsonObject> {
      await receiveMember(parts, request, roomIdParameter(request), 'leave')
      return NOTHING
    },
  }
}

async function storedPdus(parts: ServeParts, eventIds: readonly EventId[]): Promise<Pdu[]> {
  return (await parts.rooms.events(eventIds)).flatMap((event) => (event === undefined ? [] : [event.pdu]))
}

async function receiveMember(parts: ServeParts, request: PeerRequest, roomId: RoomId, membership: 'join' | 'leave'): Promise<Pdu> {
  const { version } = heldRoom(parts, roomId)
  const pdu = memberEvent(request, await request.jsonObject(), version, membership)
  const outcome = await parts.rooms.receiveAndForward(roomId, pdu, request.signal)
  switch (outcome.kind) {
    case 'accepted':
    case 'duplicate':
      return pdu
    case 'soft-failed':
    case 'rejected':
      throw new MatrixError(403, 'M_FORBIDDEN', `The room does not allow it: ${outcome.reason}`)
    case 'missing':
      throw new MatrixError(400, 'M_INVALID_PARAM', 'The event builds on events that are not known here')
    case 'unknown-room':
      throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
    default:
      return unreachable(outcome)
  }
}
