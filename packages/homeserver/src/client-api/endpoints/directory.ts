import { parseRoomAlias, type RoomAlias, type RoomId, type ServerName, serverNameOf, unreachable } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { isWorldReadable, type StoredAlias } from '../../directory/index.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { refuseToAskFor } from '../asking-others.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { remoteError } from '../outcomes.ts'
import { roomIdFrom } from '../parameters.ts'
import { joinedState } from '../room-access.ts'
import { roomIdSchema } from '../schemas.ts'

export const directoryEndpoints = [
  endpoint({
    method: 'GET',
    path: '/directory/room/:alias',
    auth: 'optional',
    async handle(api, { params, session, signal }) {
      const alias = aliasFrom(params.alias)
      refuseToAskFor(api, session, serverNameOf(alias))
      const found = await resolveAlias(api, alias, signal)
      return { room_id: found.roomId, servers: found.servers }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/directory/room/:alias',
    body: v.looseObject({ room_id: roomIdSchema }),
    async handle(api, { params, session, body }) {
      const alias = ownAlias(api, params.alias)
      refuseKeptAlias(api, session, alias)
      joinedState(api, session, body.room_id)
      const outcome = await api.directory.aliases.add(alias, { roomId: body.room_id, creator: session.userId })
      switch (outcome) {
        case 'added':
          return {}
        case 'taken':
          throw new MatrixError(409, 'M_UNKNOWN', 'This alias is taken')
        case 'too-many':
          throw new MatrixError(400, 'M_UNKNOWN', 'This room has too many aliases')
        default:
          return unreachable(outcome)
      }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/directory/room/:alias',
    async handle(api, { params, session, signal }) {
      const alias = ownAlias(api, params.alias)
      const stored = await api.directory.aliases.get(alias)
      if (stored === undefined) throw noAlias()
      if (
        stored.creator !== session.userId &&
        !isOfService(api, session, alias) &&
        !(await mayNameRoom(api, session, stored.roomId, signal))
      ) {
        throw new MatrixError(403, 'M_FORBIDDEN', 'This alias belongs to another user')
      }
      await api.directory.aliases.remove(alias)
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/aliases',
    async handle(api, { params, session }) {
      const roomId = roomIdFrom(params.roomId)
      const state = api.rooms.state(roomId)
      if (state === undefined || !isWorldReadable(state)) joinedState(api, session, roomId)
      return { aliases: await api.directory.aliases.ofRoom(roomId) }
    },
  }),
]

export async function resolveAlias(
  api: Api,
  alias: RoomAlias,
  signal: AbortSignal,
): Promise<{ readonly roomId: RoomId; readonly servers: readonly ServerName[] }> {
  if (serverNameOf(alias) === api.serverName) {
    const stored = await storedAlias(api, alias, signal)
    if (stored === undefined) throw noAlias()
    return {
      roomId: stored.roomId,
      servers: [...(api.rooms.state(stored.roomId)?.joinedServers() ?? [api.serverName])].slice(0, limits.implementation.aliasServersMax),
    }
  }
  const outcome = await api.federation.resolveAlias(alias, signal)
  switch (outcome.kind) {
    case 'found':
      return outcome
    case 'not-found':
      throw noAlias()
    case 'unreachable':
      throw remoteError(outcome)
  }
}

/** Whether the user may decide what the room is called. */
export async function mayNameRoom(api: Api, session: Session, roomId: RoomId, signal: AbortSignal): Promise<boolean> {
  if (api.rooms.state(roomId)?.membershipOf(session.userId) !== 'join') return false
  const draft = { roomId, sender: session.userId, type: 'm.room.canonical_alias', stateKey: '', content: {} }
  return (await api.rooms.makeTemplate(draft, signal)).kind === 'template'
}

/** @throws MatrixError M_EXCLUSIVE for an alias that is kept for an application service, or is not the one's that makes the request. */
export function refuseKeptAlias(api: Api, session: Session, alias: RoomAlias): void {
  const service = api.appServices.get(session.appServiceId)
  if (service?.hasAlias(alias) === false || api.appServices.keepsAliasFrom(alias, service))
    throw new MatrixError(400, 'M_EXCLUSIVE', 'This alias is kept for others')
}

function isOfService(api: Api, session: Session, alias: RoomAlias): boolean {
  return api.appServices.get(session.appServiceId)?.hasAlias(alias) === true
}

/** An alias of an application service may come to be only when somebody asks for it. */
async function storedAlias(api: Api, alias: RoomAlias, signal: AbortSignal): Promise<StoredAlias | undefined> {
  const { aliases } = api.directory
  const stored = await aliases.get(alias)
  if (stored !== undefined) return stored
  return (await api.appServices.makesAlias(alias, signal)) ? aliases.get(alias) : undefined
}

function aliasFrom(text: string): RoomAlias {
  const alias = parseRoomAlias(text)
  if (alias === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a room alias')
  return alias
}

function ownAlias(api: Api, text: string): RoomAlias {
  const alias = aliasFrom(text)
  if (serverNameOf(alias) !== api.serverName) throw new MatrixError(400, 'M_INVALID_PARAM', 'This alias belongs to another server')
  return alias
}

function noAlias(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such alias')
}
