import { parseRoomId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { searchUsers } from '../../directory/index.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { userIdFrom } from '../parameters.ts'
import type { Session } from '../../accounts/accounts.ts'

const { userSearchResultsMax, userSearchTermCharactersMax, mutualRoomsPageMax } = limits.implementation

export const userDirectoryEndpoints = [
  endpoint({
    method: 'POST',
    path: '/user_directory/search',
    body: v.looseObject({
      search_term: v.pipe(v.string(), v.maxLength(userSearchTermCharactersMax)),
      limit: v.optional(v.pipe(v.number(), v.minValue(0)), 10),
    }),
    async handle(api, { session, body }) {
      const local = await api.accounts.profiles()
      const limit = Math.min(Math.floor(body.limit), userSearchResultsMax)
      return searchUsers(api.rooms, { searcher: session.userId, term: body.search_term, limit, local })
    },
  }),
  mutualRooms('/mutual_rooms', ['v1']),
  // https://github.com/matrix-org/matrix-spec-proposals/pull/2666
  mutualRooms('/user/mutual_rooms', ['unstable/uk.half-shot.msc2666']),
]

function mutualRooms(path: '/mutual_rooms' | '/user/mutual_rooms', versions: readonly ('v1' | `unstable${string}`)[]) {
  return endpoint({
    method: 'GET',
    path,
    versions,
    handle: async (api, { session, query }) => readMutualRooms(api, session, query),
  })
}

function readMutualRooms(api: Api, session: Session, query: URLSearchParams): object {
  const other = query.get('user_id')
  if (other === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'user_id is missing')
  const userId = userIdFrom(other)
  if (userId === session.userId) throw new MatrixError(400, 'M_INVALID_PARAM', 'You are in all of your rooms')
  const token = query.get('from') ?? query.get('batch_token')
  const after = token === null ? undefined : parseRoomId(token)
  if (token !== null && after === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a token of this list')
  const shared = api.rooms.joinedRooms(session.userId).filter((roomId) => api.rooms.state(roomId)?.membershipOf(userId) === 'join')
  const rest = shared.toSorted().filter((roomId) => after === undefined || roomId > after)
  const joined = rest.slice(0, mutualRoomsPageMax)
  const next = rest.length > joined.length ? joined.at(-1) : undefined
  return { joined, count: shared.length, ...(next === undefined ? {} : { next_batch: next, next_batch_token: next }) }
}
