import { MatrixError } from '../../matrix-error.ts'
import { limits } from '../../limits.ts'
import { isHistoryToken } from '../../rooms/index.ts'
import { endpoint } from '../endpoint.ts'
import { historyToken } from '../history-token.ts'
import { booleanFrom, directionFrom, eventIdFrom, integerFrom, roomIdFrom } from '../parameters.ts'
import { readable, visibleEvent } from '../room-access.ts'

const { relationsPageDefault, relationsPageMax } = limits.implementation

export const relationEndpoints = [
  ...[
    '/rooms/:roomId/relations/:eventId',
    '/rooms/:roomId/relations/:eventId/:relType',
    '/rooms/:roomId/relations/:eventId/:relType/:eventType',
  ].map((path) =>
    endpoint({
      method: 'GET',
      path: path as '/rooms/:roomId/relations/:eventId/:relType/:eventType',
      versions: ['v1', 'unstable'],
      async handle(api, { params, session, query }) {
        const roomId = roomIdFrom(params.roomId)
        const target = eventIdFrom(params.eventId)
        await visibleEvent(api, session, roomId, target)
        const given = query.get('from')
        const page = await api.conversation.relations({
          roomId,
          target,
          relType: params.relType,
          eventType: params.eventType,
          recurse: booleanFrom(query, 'recurse') ?? booleanFrom(query, 'org.matrix.msc3981.recurse') ?? false,
          direction: directionFrom(query, 'b'),
          from: await historyToken(api, roomId, given),
          to: await historyToken(api, roomId, query.get('to')),
          limit: pageSize(query),
          userId: session.userId,
        })
        return {
          chunk: await api.sync.events.withRoomId(page.events, session),
          ...(given === null ? {} : { prev_batch: given }),
          ...(page.end === undefined ? {} : { next_batch: page.end }),
          ...(page.depth === undefined ? {} : { recursion_depth: page.depth }),
        }
      },
    }),
  ),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/threads',
    versions: ['v1', 'unstable/org.matrix.msc3856'],
    async handle(api, { params, session, query }) {
      const roomId = roomIdFrom(params.roomId)
      await readable(api, session, roomId)
      const page = await api.conversation.threads({
        roomId,
        userId: session.userId,
        participated: includeFrom(query) === 'participated',
        from: threadsToken(query),
        limit: pageSize(query),
      })
      return {
        chunk: await api.sync.events.withRoomId(page.roots, session, page.aggregated),
        ...(page.end === undefined ? {} : { next_batch: page.end }),
      }
    },
  }),
]

function pageSize(query: URLSearchParams): number {
  return Math.max(1, integerFrom(query, 'limit', relationsPageDefault, relationsPageMax))
}

function includeFrom(query: URLSearchParams): 'all' | 'participated' {
  const include = query.get('include') ?? 'all'
  if (include === 'all' || include === 'participated') return include
  throw new MatrixError(400, 'M_INVALID_PARAM', 'include must be all or participated')
}

function threadsToken(query: URLSearchParams): string | undefined {
  const from = query.get('from')
  if (from === null) return undefined
  if (!isHistoryToken(from)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a pagination token')
  return from
}
