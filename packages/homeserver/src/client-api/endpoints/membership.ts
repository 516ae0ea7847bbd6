import {
  type JsonObject,
  ownString,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  type RoomId,
  type ServerName,
} from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { Membership, StoredEvent } from '../../rooms/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { inviteUser, joinRoom, knockAtRoom, leaveRoom } from '../memberships.ts'
import { sentEventId } from '../outcomes.ts'
import { roomIdFrom } from '../parameters.ts'
import { joinedState } from '../room-access.ts'
import { jsonObjectSchema, reasonSchema, userIdSchema } from '../schemas.ts'
import { resolveAlias } from './directory.ts'

const bodySchema = v.looseObject({ reason: v.optional(reasonSchema) })
const joinSchema = v.looseObject({ ...bodySchema.entries, third_party_signed: v.optional(jsonObjectSchema) })
const targetSchema = v.looseObject({ ...bodySchema.entries, user_id: userIdSchema })
/** An invite of a user, or of an address, which takes an identity server. */
const inviteSchema = v.union([
  targetSchema,
  v.looseObject({ medium: v.string(), address: v.string(), id_server: v.string(), id_access_token: v.string() }),
])

export const membershipEndpoints = [
  ...(['/join/:roomIdOrAlias', '/rooms/:roomIdOrAlias/join'] as const).map((path) =>
    endpoint({
      method: 'POST',
      path,
      body: joinSchema,
      async handle(api, { params, session, query, body, signal }) {
        const target =
          path === '/join/:roomIdOrAlias'
            ? await resolveTarget(api, params.roomIdOrAlias, query, signal)
            : { roomId: roomIdFrom(params.roomIdOrAlias), via: viaOf(query) }
        return { room_id: await joinRoom(api, session.userId, { ...target, reason: body.reason }, signal) }
      },
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/knock/:roomIdOrAlias',
    body: bodySchema,
    async handle(api, { params, session, query, body, signal }) {
      const target = await resolveTarget(api, params.roomIdOrAlias, query, signal)
      return { room_id: await knockAtRoom(api, session.userId, { ...target, reason: body.reason }, signal) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/leave',
    body: bodySchema,
    async handle(api, { params, session, body, signal }) {
      await leaveRoom(api, session.userId, roomIdFrom(params.roomId), body.reason, signal)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/forget',
    async handle(api, { params, session }) {
      const roomId = roomIdFrom(params.roomId)
      const member = api.rooms.state(roomId)?.get('m.room.member', session.userId)
      if (isStillThere(api, session, roomId, member)) throw new MatrixError(400, 'M_UNKNOWN', 'Leave the room before forgetting it')
      // Of an invite to a room that was never held here, or a knock at one, nothing is left once it has ended.
      if (member !== undefined) await api.conversation.forgotten.forget(session.userId, roomId, member.eventId)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/invite',
    body: inviteSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const state = joinedState(api, session, roomId)
      if (!isTarget(body))
        throw new MatrixError(400, 'M_SERVER_NOT_TRUSTED', 'This server uses no identity server, so it invites no addresses')
      const content: JsonObject = body.reason === undefined ? {} : { reason: body.reason }
      if (state.membershipOf(body.user_id) === 'join') throw new MatrixError(403, 'M_FORBIDDEN', 'This user is in the room')
      await inviteUser(api, session.userId, { roomId, invitee: body.user_id, content }, signal)
      return {}
    },
  }),
  changeOfOthers('kick', { to: 'leave', from: ['join', 'invite', 'knock'], otherwise: 'This user is not in the room' }),
  changeOfOthers('ban', { to: 'ban', from: undefined, otherwise: '' }),
  changeOfOthers('unban', { to: 'leave', from: ['ban'], otherwise: 'This user is not banned' }),
  endpoint({
    method: 'GET',
    path: '/joined_rooms',
    handle: async (api, { session }) => ({ joined_rooms: api.rooms.joinedRooms(session.userId) }),
  }),
]

interface MembershipChange {
  readonly to: Membership
  /** The memberships that are changed this way; undefined: any, and none. */
  readonly from: readonly Membership[] | undefined
  readonly otherwise: string
}

/** What a member does to another user. */
function changeOfOthers(name: 'kick' | 'ban' | 'unban', { to, from, otherwise }: MembershipChange) {
  return endpoint({
    method: 'POST',
    path: `/rooms/:roomId/${name}`,
    body: targetSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const membership = joinedState(api, session, roomId).membershipOf(body.user_id)
      if (from !== undefined && (membership === undefined || !from.includes(membership)))
        throw new MatrixError(403, 'M_FORBIDDEN', otherwise)
      const content = { membership: to, ...(body.reason === undefined ? {} : { reason: body.reason }) }
      const draft = { roomId, sender: session.userId, type: 'm.room.member', stateKey: body.user_id, content }
      sentEventId(await api.rooms.send(draft, signal))
      return {}
    },
  })
}

/** Whether the user is in the room, invited to it or knocking at it. */
function isStillThere({ rooms }: Api, { userId }: Session, roomId: RoomId, member: StoredEvent | undefined): boolean {
  if (rooms.invite(roomId, userId) !== undefined || rooms.knock(roomId, userId) !== undefined) return true
  const membership = member === undefined ? undefined : ownString(member.pdu.content, 'membership')
  return membership === 'join' || membership === 'invite' || membership === 'knock'
}

function isTarget(body: v.InferOutput<typeof inviteSchema>): body is v.InferOutput<typeof targetSchema> {
  return 'user_id' in body
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
  return names.slice(0, limits.implementation.serversNamedMax).flatMap((name) => parseServerName(name) ?? [])
}
