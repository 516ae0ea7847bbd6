import { MatrixError } from '../../matrix-error.ts'
import { directionQuery, roomIdParameter, sharedRoom, timeQuery } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1timestamp_to_eventroomid */
export function timestampToEventEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/timestamp_to_event/:roomId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const timestamp = timeQuery(request, 'ts')
      const direction = directionQuery(request)
      sharedRoom(parts, request, roomId)
      const event = await parts.rooms.eventsNear(roomId, timestamp, direction)
      if (event === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no event from that time in this direction')
      return { event_id: event.eventId, origin_server_ts: event.pdu.origin_server_ts }
    },
  }
}
