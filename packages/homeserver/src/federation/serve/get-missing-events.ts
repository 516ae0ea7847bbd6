import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { eventIdOrThrow, roomIdParameter, sharedOrLostRoom } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'
import { visibleEvents } from '../visible-events.ts'

const eventIds = v.pipe(v.array(v.string()), v.maxLength(limits.implementation.eventIdsPerRequestMax))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const bodySchema = v.object({
  earliest_events: eventIds,
  latest_events: eventIds,
  limit: v.optional(count, limits.implementation.missingEventsDefault),
  min_depth: v.optional(count, 0),
})

/** @see https://spec.matrix.org/latest/server-server-api/#post_matrixfederationv1get_missing_eventsroomid */
export function getMissingEventsEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: '/_matrix/federation/v1/get_missing_events/:roomId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const { version, isInReach } = await sharedOrLostRoom(parts, request, roomId)
      const body = v.safeParse(bodySchema, await request.jsonObject())
      if (!body.success) throw new MatrixError(400, 'M_BAD_JSON', '`earliest_events` and `latest_events` must be lists of event ids')
      const { earliest_events, latest_events, limit, min_depth: minDepth } = body.output
      const input = {
        earliest: earliest_events.map(eventIdOrThrow),
        latest: latest_events.map(eventIdOrThrow),
        limit: Math.min(limit, limits.implementation.missingEventsPerRequestMax),
        minDepth,
      }
      const events = await parts.rooms.missingEvents(roomId, input)
      return { events: await visibleEvents(parts, request.origin, version, events.filter(isInReach)) }
    },
  }
}
