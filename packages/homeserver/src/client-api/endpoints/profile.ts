import { canonicalJson, encodeUtf8, type JsonObject, type JsonValue, serverNameOf, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { existsOrIsMade } from '../../app-services/exists-or-is-made.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { refuseToAskFor } from '../asking-others.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { propagateProfile } from '../memberships.ts'
import { ownUserId, userIdFrom } from '../parameters.ts'
import { canonicalObjectSchema } from '../schemas.ts'

/** Either of the names that the specification knows, or one in the namespace of whoever made it up. */
const fieldNamePattern = /^(avatar_url|displayname|m\.tz|[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+)$/
const { displayNameLengthMax, nameCharactersMax, textCharactersMax } = limits.implementation
const textMax = { displayname: displayNameLengthMax, avatar_url: textCharactersMax, 'm.tz': nameCharactersMax } as const
const versions = ['r0', 'v3', 'unstable/uk.tcpip.msc4133'] as const

export const profileEndpoints = [
  endpoint({
    method: 'GET',
    path: '/profile/:userId',
    versions,
    auth: 'optional',
    handle: async (api, { params, session, signal }) => readProfile(api, session, params.userId, signal),
  }),
  endpoint({
    method: 'GET',
    path: '/profile/:userId/:field',
    versions,
    auth: 'optional',
    async handle(api, { params, session, signal }) {
      const profile = await readProfile(api, session, params.userId, signal)
      if (!Object.hasOwn(profile, params.field)) throw new MatrixError(404, 'M_NOT_FOUND', 'The profile has no such field')
      return { [params.field]: profile[params.field] }
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/profile/:userId/:field',
    versions,
    body: canonicalObjectSchema,
    async handle(api, { params, session, body, signal }) {
      const userId = ownUserId(params.userId, session)
      const value = checkField(params.field, Object.hasOwn(body, params.field) ? body[params.field] : undefined)
      await change(api, userId, params.field, value, signal)
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/profile/:userId/:field',
    versions,
    async handle(api, { params, session, signal }) {
      const userId = ownUserId(params.userId, session)
      checkName(params.field)
      await change(api, userId, params.field, undefined, signal)
      return {}
    },
  }),
]

async function readProfile(api: Api, session: Session | undefined, user: string, signal: AbortSignal): Promise<JsonObject> {
  const userId = userIdFrom(user)
  refuseToAskFor(api, session, serverNameOf(userId))
  if (serverNameOf(userId) === api.serverName) {
    if (session !== undefined) await existsOrIsMade(api, userId, signal)
    const profile = await api.accounts.profile(userId)
    if (profile === undefined) throw noProfile()
    return profile
  }
  const outcome = await api.federation.queryProfile(userId, signal)
  if (outcome.kind === 'found') return { ...outcome.profile }
  const known = outcome.kind === 'unreachable' ? profileInRooms(api, userId) : undefined
  if (known === undefined) throw noProfile()
  return known
}

/** What the rooms say of a user whose server is away. */
function profileInRooms(api: Api, userId: UserId): JsonObject | undefined {
  for (const roomId of api.rooms.joinedRooms(userId)) {
    const content = api.rooms.state(roomId)?.get('m.room.member', userId)?.pdu.content
    if (content === undefined) continue
    const { displayname, avatar_url: avatarUrl } = content
    return {
      ...(typeof displayname === 'string' ? { displayname } : {}),
      ...(typeof avatarUrl === 'string' ? { avatar_url: avatarUrl } : {}),
    }
  }
  return undefined
}

function checkName(name: string): void {
  if (encodeUtf8(name).length > limits.specification.profileKeyBytesMax)
    throw new MatrixError(400, 'M_KEY_TOO_LARGE', 'The name of the field is too long')
  if (!fieldNamePattern.test(name)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a name of a profile field')
}

/** What the field is to be; undefined for none: an empty name or avatar, or null instead of one, is the same as none. */
function checkField(name: string, value: JsonValue | undefined): JsonValue | undefined {
  checkName(name)
  if (value === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'The body has no such field')
  if (name !== 'displayname' && name !== 'avatar_url' && name !== 'm.tz') return value
  if (value === '' || value === null) return undefined
  if (!v.is(v.pipe(v.string(), v.maxLength(textMax[name])), value)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a text, or too long')
  if (name === 'avatar_url' && !value.startsWith('mxc://')) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not an MXC URI')
  return value
}

async function change(api: Api, userId: UserId, name: string, value: JsonValue | undefined, signal: AbortSignal): Promise<void> {
  await api.accounts.changeProfile(userId, ({ [name]: _old, ...rest }) => {
    if (value === undefined) return rest
    const profile = { ...rest, [name]: value }
    if (encodeUtf8(canonicalJson(profile)).length >= limits.specification.profileBytesMax)
      throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', 'The profile would be too large')
    return profile
  })
  // Other fields are in no membership event.
  if (name === 'displayname' || name === 'avatar_url') await propagateProfile(api, userId, signal)
}

function noProfile(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such profile')
}
