import { unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { authSchema } from '../schemas.ts'

const deviceIdSchema = v.pipe(v.string(), v.minLength(1), v.maxLength(255))

const registerSchema = v.looseObject({
  auth: authSchema,
  username: v.optional(v.string()),
  password: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(limits.implementation.passwordLengthMax))),
  device_id: v.optional(deviceIdSchema),
  initial_device_display_name: v.optional(v.pipe(v.string(), v.maxLength(limits.implementation.displayNameLengthMax))),
  inhibit_login: v.optional(v.boolean()),
})

export const registrationEndpoints = [
  endpoint({
    method: 'POST',
    path: '/register',
    auth: 'none',
    body: registerSchema,
    async handle(api, { query, body }) {
      if ((query.get('kind') ?? 'user') !== 'user') throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'There are no guests here')
      if (!api.accounts.isRegistrationOpen()) throw registrationClosed()
      if (body.username !== undefined) requireAvailable(api, body.username)
      api.interactiveAuth.require(body.auth, { purpose: 'register', stage: 'm.login.dummy' })
      const userId = await register(api, body.username, body.password)
      if (body.inhibit_login === true) return { user_id: userId, home_server: api.serverName }
      return logIn(api, userId, body)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/register/available',
    auth: 'none',
    async handle(api, { query }) {
      const username = query.get('username')
      if (username === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'username is missing')
      requireAvailable(api, username)
      return { available: true }
    },
  }),
]

async function register(api: Api, username: string | undefined, password: string | undefined): Promise<UserId> {
  const outcome = await api.accounts.register({
    ...(username === undefined ? {} : { localpart: username }),
    ...(password === undefined ? {} : { password }),
  })
  switch (outcome.kind) {
    case 'registered':
      return outcome.userId
    case 'closed':
      throw registrationClosed()
    case 'in-use':
    case 'invalid-name':
      throw nameError(outcome.kind)
    default:
      return unreachable(outcome)
  }
}

/** A new session, as registration and log-in answer it. */
export async function logIn(
  api: Api,
  userId: UserId,
  device: { readonly device_id?: string | undefined; readonly initial_device_display_name?: string | undefined },
): Promise<object> {
  const session = await api.accounts.logIn(userId, {
    ...(device.device_id === undefined ? {} : { deviceId: device.device_id }),
    ...(device.initial_device_display_name === undefined ? {} : { displayName: device.initial_device_display_name }),
  })
  if (session === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'This user has too many devices')
  return { user_id: userId, home_server: api.serverName, access_token: session.accessToken, device_id: session.deviceId }
}

function requireAvailable(api: Api, username: string): void {
  const availability = api.accounts.availability(username)
  if (availability !== 'available') throw nameError(availability)
}

function nameError(problem: 'in-use' | 'invalid-name'): MatrixError {
  if (problem === 'in-use') return new MatrixError(400, 'M_USER_IN_USE', 'This name is taken')
  return new MatrixError(400, 'M_INVALID_USERNAME', 'This name has characters that names cannot have, or is too long')
}

function registrationClosed(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'This node has an owner; registration is closed')
}
