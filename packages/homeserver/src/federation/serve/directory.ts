import { type JsonObject, type JsonValue, parseRoomAlias, type RoomAlias, serverNameOf } from '@kith/matrix-protocol'
import {
  describeSpace,
  listPublicRooms,
  parseRoomsFilter,
  type PublicRoomsQuery,
  type StoredAlias,
  visibleToServer,
} from '../../directory/index.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { booleanQuery, countQuery, roomIdParameter } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import { refuseShutOut } from './server-acl.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1querydirectory */
export function queryDirectoryEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/query/directory',
    async handle(request) {
      const text = request.query.get('room_alias')
      if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', '`room_alias` is missing')
      const alias = parseRoomAlias(text)
      if (alias === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'This is no room alias')
      const stored = serverNameOf(alias) === parts.serverName ? await storedAlias(parts, alias, request.signal) : undefined
      if (stored === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such alias')
      const members = [...(parts.rooms.state(stored.roomId)?.joinedServers() ?? [])]
      // This server first: it surely knows the alias, and most likely the room.
      const servers = new Set([...(members.includes(parts.serverName) ? [parts.serverName] : []), ...members])
      return { room_id: stored.roomId, servers: [...servers].slice(0, limits.implementation.aliasServersMax) }
    },
  }
}

/** An alias of an application service may come to be only when somebody asks for it. */
async function storedAlias({ directory, users }: ServeParts, alias: RoomAlias, signal: AbortSignal): Promise<StoredAlias | undefined> {
  const stored = await directory.aliases.get(alias)
  if (stored !== undefined) return stored
  return (await users.makesAlias(alias, signal)) ? directory.aliases.get(alias) : undefined
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1publicrooms */
export function publicRoomsEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/publicRooms',
    handle(request) {
      booleanQuery(request, 'include_all_networks')
      const limit = countQuery(request, 'limit', 0, limits.implementation.publicRoomsAskedForMax)
      const since = request.query.get('since') ?? undefined
      return answerRooms(parts, { limit, since, searchTerm: undefined, roomTypes: undefined })
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#post_matrixfederationv1publicrooms */
export function searchPublicRoomsEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: '/_matrix/federation/v1/publicRooms',
    async handle(request) {
      const body = await request.jsonObject()
      const filter = parseRoomsFilter(body['filter'])
      const { limit = 0, since, include_all_networks: allNetworks = false, third_party_instance_id: network = '' } = body
      const isWellFormed =
        isCount(limit) &&
        (since === undefined || typeof since === 'string') &&
        typeof allNetworks === 'boolean' &&
        typeof network === 'string'
      if (filter === undefined || !isWellFormed) throw new MatrixError(400, 'M_BAD_JSON', 'The query for rooms is malformed')
      return answerRooms(parts, { limit, since, ...filter })
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1hierarchyroomid */
export function hierarchyEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/hierarchy/:roomId',
    handle(request) {
      const roomId = roomIdParameter(request)
      const suggestedOnly = booleanQuery(request, 'suggested_only')
      refuseShutOut(parts.rooms, roomId, request.origin)
      const answer = describeSpace(parts, roomId, suggestedOnly, visibleToServer(parts.rooms, request.origin))
      if (answer === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The room is not known here, or not for you')
      return { ...answer } as unknown as JsonObject
    },
  }
}

function answerRooms(parts: ServeParts, query: PublicRoomsQuery): JsonObject {
  const { rooms, serverName, directory } = parts
  const page = listPublicRooms({ rooms, serverName, published: directory.published }, query)
  if (page === 'bad-token') throw new MatrixError(400, 'M_INVALID_PARAM', '`since` is no token of this server')
  return { ...page } as unknown as JsonObject
}

function isCount(value: JsonValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
