import { supportedRoomVersions, unreachable } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { pduJson } from '../transaction.ts'
import { roomIdParameter } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2inviteroomideventid */
export function inviteEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v2/invite/:roomId/:eventId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const body = await request.jsonObject()
      const event = body['event']
      if (typeof event === 'object' && event !== null && 'room_id' in event && event.room_id !== roomId) {
        throw new MatrixError(400, 'M_INVALID_PARAM', 'The event is of another room')
      }
      const outcome = await parts.invites.receive(request.origin, body, request.signal)
      switch (outcome.kind) {
        case 'received':
          return { event: pduJson(outcome.event) }
        case 'unsupported-version':
          throw new MatrixError(
            400,
            'M_INCOMPATIBLE_ROOM_VERSION',
            `Known room versions: ${supportedRoomVersions.map(({ id }) => id).join()}`,
            {
              room_version: typeof body['room_version'] === 'string' ? body['room_version'] : '1',
            },
          )
        case 'invalid':
          throw new MatrixError(400, 'M_BAD_JSON', outcome.reason)
        case 'forbidden':
          throw new MatrixError(403, 'M_FORBIDDEN', outcome.reason)
        default:
          return unreachable(outcome)
      }
    },
  }
}
