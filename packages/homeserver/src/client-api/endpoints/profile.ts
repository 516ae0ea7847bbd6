import { isJsonObject, type JsonObject, type JsonValue, serverNameOf } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { refuseToAskFor } from '../asking-others.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { propagateProfile } from '../memberships.ts'
import { ownUserId, userIdFrom } from '../parameters.ts'
import { canonicalObjectSchema } from '../schemas.ts'

const fieldNamePattern = /^[a-z][a-z0-9_.-]{0,254}$/

export const profileEndpoints = [
  endpoint({
    method: 'GET',
    path: '/profile/:userId',
    auth: 'optional',
    handle: async (api, { params, session, signal }) => readProfile(api, session, params.userId, signal),
  }),
  endpoint({
    method: 'GET',
    path: '/profile/:userId/:field',
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
    body: canonicalObjectSchema,
    async handle(api, { params, session, body, signal }) {
      const userId = ownUserId(params.userId, session)
      const value = Object.hasOwn(body, params.field) ? body[params.field] : undefined
      const checked = checkField(params.field, value)
      const { [params.field]: _old, ...rest } = (await api.accounts.profile(userId)) ?? {}
      // An empty name or avatar is the same as none.
      await save(api, userId, checked === '' || checked === null ? rest : { ...rest, [params.field]: checked }, signal)
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/profile/:userId/:field',
    async handle(api, { params, session, signal }) {
      const userId = ownUserId(params.userId, session)
      const { [params.field]: _old, ...rest } = (await api.accounts.profile(userId)) ?? {}
      await save(api, userId, rest, signal)
      return {}
    },
  }),
]

async function readProfile(api: Api, session: Session | undefined, user: string, signal: AbortSignal): Promise<JsonObject> {
  const userId = userIdFrom(user)
  refuseToAskFor(api, session, serverNameOf(userId))
  if (serverNameOf(userId) === api.serverName) {
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
function profileInRooms(api: Api, userId: ReturnType<typeof userIdFrom>): JsonObject | undefined {
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

function checkField(name: string, value: JsonValue | undefined): JsonValue {
  if (!fieldNamePattern.test(name)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a name of a profile field')
  const isNameOrAvatar = name === 'displayname' || name === 'avatar_url'
  if (value === undefined) {
    if (isNameOrAvatar) return ''
    throw new MatrixError(400, 'M_MISSING_PARAM', 'The body has no such field')
  }
  if (!isNameOrAvatar || value === null) return value
  const max = name === 'displayname' ? limits.implementation.displayNameLengthMax : 1000
  if (!v.is(v.pipe(v.string(), v.maxLength(max)), value)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a text, or too long')
  return value
}

async function save(api: Api, userId: ReturnType<typeof userIdFrom>, profile: JsonObject, signal: AbortSignal): Promise<void> {
  if (!isJsonObject(profile) || JSON.stringify(profile).length > limits.implementation.profileBytesMax) {
    throw new MatrixError(400, 'M_PROFILE_TOO_LARGE', 'The profile would be too large')
  }
  await api.accounts.setProfile(userId, profile)
  await propagateProfile(api, userId, signal)
}

function noProfile(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such profile')
}
