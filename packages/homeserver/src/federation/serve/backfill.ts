import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { countQuery, eventIdOrThrow, roomIdParameter, sharedRoom } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'
import { visibleEvents } from '../visible-events.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1backfillroomid */
export function backfillEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/backfill/:roomId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const version = sharedRoom(parts, request, roomId)
      const latest = request.query.getAll('v').map(eventIdOrThrow)
      if (latest.length === 0) throw new MatrixError(400, 'M_MISSING_PARAM', '`v` is missing')
      if (latest.length > limits.implementation.eventIdsPerRequestMax) throw new MatrixError(400, 'M_INVALID_PARAM', 'Too many events')
      if (request.query.get('limit') === null) throw new MatrixError(400, 'M_MISSING_PARAM', '`limit` is missing')
      const limit = countQuery(request, 'limit', 0, limits.implementation.backfillEventsMax)
      const named = (await parts.rooms.events(latest)).flatMap((event) => (event?.roomId === roomId ? [event] : []))
      // The named ones come first: the limit cuts off what is farthest back.
      const olderMax = Math.max(0, limit - named.length)
      const older = await parts.rooms.missingEvents(roomId, { earliest: [], latest, limit: olderMax, minDepth: 0 })
      const events = [...named.slice(0, limit), ...older]
      const pdus = await visibleEvents(parts, request.origin, version, events)
      return { origin: parts.serverName, origin_server_ts: parts.ports.clock.now(), pdus }
    },
  }
}
