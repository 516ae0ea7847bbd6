import {
  type JsonObject,
  ownString,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  type RoomId,
  type ServerName,
  type UserId,
} from '@kith/matrix-protocol'
import * as v from 'valibot'
import { MatrixError } from '../../matrix-error.ts'
import type { Session } from '../../accounts/accounts.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { inviteUser, joinRoom, leaveRoom } from '../memberships.ts'
import { sentEventId } from '../outcomes.ts'
import { roomIdFrom } from '../parameters.ts'
import { joinedState, memberEvent } from '../room-access.ts'
import { userIdSchema } from '../schemas.ts'
import { resolveAlias } from './directory.ts'

const reasonSchema = v.looseObject({ reason: v.optional(v.pipe(v.string(), v.maxLength(1000))) })
const targetSchema = v.looseObject({ user_id: userIdSchema, reason: v.optional(v.pipe(v.string(), v.maxLength(1000))) })

export const membershipEndpoints = [
  endpoint({
    method: 'POST',
    path: '/join/:roomIdOrAlias',
    body: reasonSchema,
    async handle(api, { params, session, query, body, signal }) {
      const target = await resolveTarget(api, params.roomIdOrAlias, query, signal)
      return { room_id: await joinRoom(api, session.userId, { ...target, reason: body.reason }, signal) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/join',
    body: reasonSchema,
    async handle(api, { params, session, query, body, signal }) {
      const target = { roomId: roomIdFrom(params.roomId), via: viaOf(query), reason: body.reason }
      return { room_id: await joinRoom(api, session.userId, target, signal) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/knock/:roomIdOrAlias',
    body: reasonSchema,
    async handle(api, { params, session, query, body, signal }) {
      const { roomId } = await resolveTarget(api, params.roomIdOrAlias, query, signal)
      if (api.rooms.state(roomId)?.isJoined(api.serverName) !== true) {
        throw new MatrixError(404, 'M_NOT_FOUND', 'Knocking works only at rooms that this server is in')
      }
      await setMembership(api, session, roomId, session.userId, { membership: 'knock', reason: body.reason }, signal)
      return { room_id: roomId }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/leave',
    body: reasonSchema,
    async handle(api, { params, session, body, signal }) {
      await leaveRoom(api, session.userId, roomIdFrom(params.roomId), body.reason, signal)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/forget',
    async handle(api, { params, session }) {
      const member = memberEvent(api, session, roomIdFrom(params.roomId))
      if (ownString(member.pdu.content, 'membership') === 'join')
        throw new MatrixError(400, 'M_UNKNOWN', 'Leave the room before forgetting it')
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/invite',
    body: targetSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const state = joinedState(api, session, roomId)
      const content: JsonObject = body.reason === undefined ? {} : { reason: body.reason }
      if (state.membershipOf(body.user_id) === 'join') throw new MatrixError(403, 'M_FORBIDDEN', 'This user is in the room')
      await inviteUser(api, session.userId, { roomId, invitee: body.user_id, content }, signal)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/kick',
    body: targetSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const membership = joinedState(api, session, roomId).membershipOf(body.user_id)
      if (membership !== 'join' && membership !== 'invite' && membership !== 'knock')
        throw new MatrixError(403, 'M_FORBIDDEN', 'This user is not in the room')
      await setMembership(api, session, roomId, body.user_id, { membership: 'leave', reason: body.reason }, signal)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/ban',
    body: targetSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      joinedState(api, session, roomId)
      await setMembership(api, session, roomId, body.user_id, { membership: 'ban', reason: body.reason }, signal)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/unban',
    body: targetSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      if (joinedState(api, session, roomId).membershipOf(body.user_id) !== 'ban')
        throw new MatrixError(403, 'M_FORBIDDEN', 'This user is not banned')
      await setMembership(api, session, roomId, body.user_id, { membership: 'leave', reason: body.reason }, signal)
      return {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/joined_rooms',
    handle: async (api, { session }) => ({ joined_rooms: api.rooms.joinedRooms(session.userId) }),
  }),
]

async function setMembership(
  api: Api,
  session: Session,
  roomId: RoomId,
  target: UserId,
  change: { readonly membership: string; readonly reason: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const content = { membership: change.membership, ...(change.reason === undefined ? {} : { reason: change.reason }) }
  sentEventId(await api.rooms.send({ roomId, sender: session.userId, type: 'm.room.member', stateKey: target, content }, signal))
}

async function resolveTarget(
  api: Api,
  roomIdOrAlias: string,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<{ readonly roomId: RoomId; readonly via: readonly ServerName[] }> {
  const roomId = parseRoomId(roomIdOrAlias)
  if (roomId !== undefined) return { roomId, via: viaOf(query) }
  const alias = parseRoomAlias(roomIdOrAlias)
  if (alias === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Neither a room id nor an alias')
  const found = await resolveAlias(api, alias, signal)
  return { roomId: found.roomId, via: [...viaOf(query), ...found.servers] }
}

function viaOf(query: URLSearchParams): ServerName[] {
  const names = [...query.getAll('via'), ...query.getAll('server_name')]
  return names.slice(0, 20).flatMap((name) => parseServerName(name) ?? [])
}
