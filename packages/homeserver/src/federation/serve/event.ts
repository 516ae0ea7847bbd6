import { MatrixError } from '../../matrix-error.ts'
import { eventIdParameter, sharedOrLostRoom } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'
import { visibleEvents } from '../visible-events.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1eventeventid */
export function eventEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/event/:eventId',
    async handle(request) {
      const event = await parts.rooms.event(eventIdParameter(request))
      if (event === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The event is not known here')
      const { version, isInReach } = await sharedOrLostRoom(parts, request, event.roomId)
      if (!isInReach(event)) throw new MatrixError(404, 'M_NOT_FOUND', 'The event is not known here')
      const pdus = await visibleEvents(parts, request.origin, version, [event])
      if (pdus.length === 0) throw new MatrixError(404, 'M_NOT_FOUND', 'The event is not known here')
      return { origin: parts.serverName, origin_server_ts: parts.ports.clock.now(), pdus }
    },
  }
}
