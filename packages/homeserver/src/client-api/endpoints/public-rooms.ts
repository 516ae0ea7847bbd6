import { type JsonValue, parseServerName, type RoomId, unreachable } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { listPublicRooms, parseRoomsFilter, type PublicRoomsPage, type PublicRoomsQuery } from '../../directory/index.ts'
import { MatrixError } from '../../matrix-error.ts'
import { refuseToAskFor } from '../asking-others.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { remoteError } from '../outcomes.ts'
import { integerFrom, roomIdFrom } from '../parameters.ts'
import { mayNameRoom } from './directory.ts'

const searchSchema = v.looseObject({
  limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  since: v.optional(v.string()),
  filter: v.optional(v.custom<JsonValue>(() => true)),
  include_all_networks: v.optional(v.boolean(), false),
  third_party_instance_id: v.optional(v.string()),
})

export const publicRoomsEndpoints = [
  endpoint({
    method: 'GET',
    path: '/publicRooms',
    auth: 'optional',
    async handle(api, { query, session, signal }) {
      const limit = integerFrom(query, 'limit', 0, Number.MAX_SAFE_INTEGER)
      const wanted = { limit, since: query.get('since') ?? undefined, searchTerm: undefined, roomTypes: undefined }
      return answerRooms(api, session, query.get('server'), wanted, signal)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/publicRooms',
    body: searchSchema,
    async handle(api, { query, session, body, signal }) {
      const filter = parseRoomsFilter(body.filter)
      if (filter === undefined) throw new MatrixError(400, 'M_BAD_JSON', 'The filter is malformed')
      const wanted = { limit: body.limit, since: body.since, ...filter }
      return answerRooms(api, session, query.get('server'), wanted, signal, {
        instance: body.third_party_instance_id,
        everyNetwork: body.include_all_networks,
      })
    },
  }),
  endpoint({
    method: 'GET',
    path: '/directory/list/room/:roomId',
    auth: 'none',
    async handle(api, { params }) {
      const roomId = roomIdFrom(params.roomId)
      if (!api.rooms.has(roomId)) throw new MatrixError(404, 'M_NOT_FOUND', 'No such room')
      return { visibility: api.directory.published.has(roomId) ? 'public' : 'private' }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/directory/list/room/:roomId',
    body: v.looseObject({ visibility: v.optional(v.picklist(['public', 'private']), 'public') }),
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      if (!api.rooms.has(roomId)) throw new MatrixError(404, 'M_NOT_FOUND', 'No such room')
      if (!(await mayNameRoom(api, session, roomId, signal))) throw new MatrixError(403, 'M_FORBIDDEN', 'You may not publish this room')
      if (body.visibility === 'private') await api.directory.published.unpublish(roomId)
      else if (!(await api.directory.published.publish(roomId, session.userId))) {
        throw new MatrixError(400, 'M_UNKNOWN', 'Too many rooms are published')
      }
      return {}
    },
  }),
]

interface Networks {
  /** A network of an application service, whose rooms are wanted instead of this server's own. */
  readonly instance: string | undefined
  readonly everyNetwork: boolean
}

function roomsOf({ directory, networkRooms }: Api, { instance, everyNetwork }: Networks): Iterable<RoomId> {
  if (instance !== undefined) return networkRooms.ofInstance(instance)
  return everyNetwork ? networkRooms.all().union(new Set(directory.published.all())) : directory.published.all()
}

async function answerRooms(
  api: Api,
  session: Session | undefined,
  serverText: string | null,
  query: PublicRoomsQuery,
  signal: AbortSignal,
  networks: Networks = { instance: undefined, everyNetwork: false },
): Promise<PublicRoomsPage> {
  const server = serverText === null ? api.serverName : parseServerName(serverText)
  if (server === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a server name')
  refuseToAskFor(api, session, server)
  if (server === api.serverName) {
    const page = listPublicRooms({ rooms: api.rooms, published: { all: () => roomsOf(api, networks) }, serverName: api.serverName }, query)
    if (page === 'bad-token') throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a pagination token')
    return page
  }
  const outcome = await api.federation.publicRooms(server, query, signal)
  switch (outcome.kind) {
    case 'answered':
      return outcome.page
    case 'refused':
    case 'unreachable':
      throw remoteError(outcome)
    default:
      return unreachable(outcome)
  }
}
