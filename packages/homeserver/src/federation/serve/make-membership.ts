import { type JsonObject, unreachable } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { heldRoom, ownUserParameter, roomIdParameter } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_joinroomiduserid */
export function makeJoinEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/make_join/:roomId/:userId',
    handle(request) {
      const { version } = heldRoom(parts, roomIdParameter(request))
      // Without `ver`, the asking server knows version 1 only.
      if (!request.query.getAll('ver').includes(version.id)) {
        throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', 'Your server does not know the version of this room', {
          room_version: version.id,
        })
      }
      return makeTemplate(parts, request, 'join')
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_leaveroomiduserid */
export function makeLeaveEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/make_leave/:roomId/:userId',
    handle: (request) => makeTemplate(parts, request, 'leave'),
  }
}

async function makeTemplate(parts: ServeParts, request: PeerRequest, membership: 'join' | 'leave'): Promise<JsonObject> {
  const roomId = roomIdParameter(request)
  const userId = ownUserParameter(request)
  heldRoom(parts, roomId)
  const draft = { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content: { membership } }
  const outcome = await parts.rooms.makeTemplate(draft, request.signal)
  switch (outcome.kind) {
    case 'template':
      return { event: outcome.event, room_version: outcome.version }
    case 'denied':
      throw new MatrixError(403, 'M_FORBIDDEN', `The room does not allow it: ${outcome.rule}`)
    case 'unknown-room':
      throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
    default:
      return unreachable(outcome)
  }
}
