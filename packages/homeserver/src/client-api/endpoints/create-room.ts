import {
  type JsonObject,
  type JsonValue,
  type RoomId,
  type RoomVersion,
  roomVersion,
  unreachable,
  type UserId,
} from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { CreateRoomOutcome } from '../../rooms/index.ts'
import { refuseKeptAlias } from './directory.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { inviteUser, memberContent } from '../memberships.ts'
import { presetNames, roomEvents } from '../room-presets.ts'
import { canonicalObjectSchema, nameSchema, userIdSchema } from '../schemas.ts'

const {
  createRoomAliasCharactersMax,
  createRoomEventsMax,
  createRoomInvitesMax,
  createRoomNameCharactersMax,
  createRoomTopicCharactersMax,
} = limits.implementation

const createRoomSchema = v.looseObject({
  visibility: v.optional(v.picklist(['public', 'private']), 'private'),
  preset: v.optional(v.picklist(presetNames)),
  room_alias_name: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(createRoomAliasCharactersMax), v.regex(/^[^:\s\0]+$/))),
  name: v.optional(v.pipe(v.string(), v.maxLength(createRoomNameCharactersMax))),
  topic: v.optional(v.pipe(v.string(), v.maxLength(createRoomTopicCharactersMax))),
  invite: v.optional(v.pipe(v.array(userIdSchema), v.maxLength(createRoomInvitesMax)), []),
  invite_3pid: v.optional(v.pipe(v.array(v.unknown()), v.maxLength(0)), []),
  room_version: v.optional(v.string()),
  creation_content: v.optional(canonicalObjectSchema, {}),
  initial_state: v.optional(
    v.pipe(
      v.array(
        v.looseObject({
          type: nameSchema,
          state_key: v.optional(nameSchema, ''),
          content: canonicalObjectSchema,
        }),
      ),
      v.maxLength(createRoomEventsMax),
    ),
    [],
  ),
  is_direct: v.optional(v.boolean(), false),
  power_level_content_override: v.optional(canonicalObjectSchema, {}),
})

export type CreateRoomBody = v.InferOutput<typeof createRoomSchema>

export const createRoomEndpoints = [
  endpoint({
    method: 'POST',
    path: '/createRoom',
    body: createRoomSchema,
    async handle(api, { session, body, signal }) {
      const version = body.room_version === undefined ? api.defaultRoomVersion : roomVersion(body.room_version)
      if (version === undefined) throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'This room version is not known here')
      const roomId = await create(api, session, version, body, signal)
      for (const invitee of new Set(body.invite)) {
        if (invitee === session.userId) continue
        const content = body.is_direct ? { is_direct: true } : {}
        // The room exists: an invite that cannot be made must not look as if it did not.
        await inviteUser(api, session.userId, { roomId, invitee, content }, signal).catch((error: unknown) => {
          if (!(error instanceof MatrixError)) throw error
          api.ports.log.warn('invite to a new room failed', { roomId, errcode: error.errcode })
        })
      }
      return { room_id: roomId }
    },
  }),
]

async function create(api: Api, session: Session, version: RoomVersion, body: CreateRoomBody, signal: AbortSignal): Promise<RoomId> {
  const creator = session.userId
  const { aliases, published } = api.directory
  const alias = body.room_alias_name === undefined ? undefined : await aliases.reserve(body.room_alias_name, api.serverName)
  if (alias === 'taken') throw new MatrixError(400, 'M_ROOM_IN_USE', 'This alias is taken')
  if (alias === 'invalid') throw new MatrixError(400, 'M_INVALID_PARAM', 'Not an alias')
  try {
    if (alias !== undefined) refuseKeptAlias(api, session, alias)
    const creatorContent = await memberContent(api, creator, 'join', {})
    const events = roomEvents({ creator, version, body, alias, creatorContent })
    const createContentOfRoom = createContent(version, creator, body)
    const outcome = await api.rooms.create({ creator, version: version.id, createContent: createContentOfRoom, events }, signal)
    const roomId = createdRoomId(outcome)
    if (alias !== undefined) await aliases.add(alias, { roomId, creator }, { isReserved: true })
    if (body.visibility === 'public') await published.publish(roomId, creator)
    return roomId
  } finally {
    if (alias !== undefined) aliases.release(alias)
  }
}

function createContent(version: RoomVersion, creator: UserId, body: CreateRoomBody): JsonObject {
  const { room_version: _version, creator: _creator, ...content } = body.creation_content
  if (version.creatorFrom === 'content') return { ...content, creator }
  if (!version.additionalCreators || body.preset !== 'trusted_private_chat') return content
  const given = content['additional_creators']
  const named: readonly JsonValue[] = Array.isArray(given) ? given : []
  const creators = new Set<JsonValue>([...named, ...body.invite])
  creators.delete(creator)
  return creators.size === 0 ? content : { ...content, additional_creators: [...creators] }
}

export function createdRoomId(outcome: CreateRoomOutcome): RoomId {
  switch (outcome.kind) {
    case 'created':
      return outcome.roomId
    case 'denied':
      throw new MatrixError(400, 'M_INVALID_ROOM_STATE', `The room's own rules forbid its ${outcome.type}: ${outcome.rule}`)
    case 'too-large':
      throw new MatrixError(413, 'M_TOO_LARGE', 'An event of the room would be too large')
    case 'unsupported-version':
      throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'This room version is not known here')
    default:
      return unreachable(outcome)
  }
}
