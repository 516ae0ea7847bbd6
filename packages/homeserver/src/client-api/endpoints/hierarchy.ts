import {
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  type RoomId,
  type ServerName,
  serverNameOfRoomId,
  unreachable,
} from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { type RoomSummary, summaryOf, summaryVisibleToUser, visibleToUser } from '../../directory/index.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { integerFrom, roomIdFrom } from '../parameters.ts'
import { resolveAlias } from './directory.ts'

const { spaceDepthMax, spacePageDefault, spacePageMax, spaceServersAskedMax } = limits.implementation

export const hierarchyEndpoints = [
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/hierarchy',
    versions: ['v1', 'unstable/org.matrix.msc2946'],
    async handle(api, { params, session, query, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const limit = integerFrom(query, 'limit', spacePageDefault, spacePageMax)
      if (limit === 0) throw new MatrixError(400, 'M_INVALID_PARAM', 'limit must be greater than zero')
      const maxDepth = integerFrom(query, 'max_depth', spaceDepthMax, spaceDepthMax)
      const wish = { roomId, maxDepth, suggestedOnly: booleanFrom(query, 'suggested_only') }
      const token = query.get('from')
      const page =
        token === null
          ? await api.spaceWalks.begin(session.userId, wish, limit, signal)
          : await api.spaceWalks.resume(session.userId, wish, token, limit, signal)
      switch (page.kind) {
        case 'page':
          return { rooms: page.rooms, ...(page.next === undefined ? {} : { next_batch: page.next }) }
        case 'hidden':
          throw new MatrixError(403, 'M_FORBIDDEN', 'You are not allowed to view this room')
        case 'bad-token':
          throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a pagination token')
        case 'changed':
          throw new MatrixError(400, 'M_INVALID_PARAM', 'suggested_only and max_depth cannot change from page to page')
        default:
          return unreachable(page)
      }
    },
  }),
  // Beside the stable path those of https://github.com/matrix-org/matrix-spec-proposals/pull/3266
  ...(
    [
      ['/room_summary/:roomIdOrAlias', 'v1'],
      ['/summary/:roomIdOrAlias', 'unstable/im.nheko.summary'],
      ['/rooms/:roomIdOrAlias/summary', 'unstable/im.nheko.summary'],
    ] as const
  ).map(([path, version]) =>
    endpoint({
      method: 'GET',
      path: path as '/room_summary/:roomIdOrAlias',
      versions: [version],
      async handle(api, { params, session, query, signal }) {
        const { roomId, via } = await roomFrom(api, params.roomIdOrAlias, query.getAll('via'), signal)
        const summary = await findSummary(api, session, roomId, via, signal)
        if (summary === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'No such room, or not one that you may see')
        const membership = api.rooms.state(roomId)?.membershipOf(session.userId) ?? outOfBandMembership(api, session, roomId)
        return { ...summary, ...(membership === undefined ? {} : { membership }) }
      },
    }),
  ),
]

async function roomFrom(
  api: Api,
  text: string,
  via: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly roomId: RoomId; readonly via: readonly ServerName[] }> {
  const servers = via.slice(0, spaceServersAskedMax).flatMap((server) => parseServerName(server) ?? [])
  const roomId = parseRoomId(text)
  if (roomId !== undefined) {
    const founder = serverNameOfRoomId(roomId)
    return { roomId, via: founder === undefined ? servers : [...servers, founder] }
  }
  const alias = parseRoomAlias(text)
  if (alias === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Neither a room id nor a room alias')
  const found = await resolveAlias(api, alias, signal)
  return { roomId: found.roomId, via: [...servers, ...found.servers] }
}

async function findSummary(
  api: Api,
  session: Session,
  roomId: RoomId,
  via: readonly ServerName[],
  signal: AbortSignal,
): Promise<RoomSummary | undefined> {
  const state = api.rooms.state(roomId)
  const version = api.rooms.version(roomId)
  if (state !== undefined && version !== undefined && state.isJoined(api.serverName)) {
    return visibleToUser(api.rooms, session.userId)(roomId, state) ? summaryOf(roomId, state, version.id) : undefined
  }
  const others = via.filter((server) => server !== api.serverName)
  const outcome = await api.federation.hierarchy(roomId, others, false, signal)
  if (outcome.kind !== 'found') return undefined
  const { children_state: _children, ...summary } = outcome.answer.room
  return summaryVisibleToUser(api.rooms, session.userId, summary) ? summary : undefined
}

/** What the user is to a room that this server is not in. */
function outOfBandMembership(api: Api, session: Session, roomId: RoomId): string | undefined {
  if (api.rooms.invite(roomId, session.userId) !== undefined) return 'invite'
  return api.rooms.knock(roomId, session.userId) === undefined ? undefined : 'knock'
}

function booleanFrom(query: URLSearchParams, name: string): boolean {
  const text = query.get(name) ?? 'false'
  if (text !== 'true' && text !== 'false') throw new MatrixError(400, 'M_INVALID_PARAM', `${name} must be true or false`)
  return text === 'true'
}
