import { unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { RegisterOutcome } from '../../accounts/accounts.ts'
import type { AppService } from '../../app-services/app-service.ts'
import { MatrixError } from '../../matrix-error.ts'
import { appServiceFrom, requireAppService } from '../authenticate.ts'
import { nameOfCaller, pageOf } from '../caller.ts'
import { type Api, endpoint } from '../endpoint.ts'
import type { InteractiveStage } from '../interactive-auth.ts'
import { newSessionEntries, openSession } from '../open-session.ts'
import { authSchema, passwordSchema } from '../schemas.ts'

const registerSchema = v.looseObject({
  auth: authSchema,
  username: v.optional(v.string()),
  password: v.optional(passwordSchema),
  /** Application services say so; whoever else does is held to the ways that are offered. */
  type: v.optional(v.string()),
  inhibit_login: v.optional(v.boolean(), false),
  ...newSessionEntries,
})

export const registrationEndpoints = [
  endpoint({
    method: 'POST',
    path: '/register',
    auth: 'none',
    body: registerSchema,
    async handle(api, { query, headers, body, caller }) {
      refuseGuests(query)
      if (body.type === 'm.login.application_service') return registerForService(api, requireAppService(api, { headers, query }), body)
      if (!api.accounts.isRegistrationOpen()) throw registrationClosed()
      if (body.username !== undefined) requireAvailable(api, body.username)
      const stage: InteractiveStage = api.accounts.hasRegistrationTokens() ? 'm.login.registration_token' : 'm.login.dummy'
      api.interactiveAuth.require(body.auth, { purpose: 'register', stages: [stage] }, caller)
      api.rates.registrations.take()
      const userId = await register(api, body.username, body.password)
      if (body.inhibit_login) return { user_id: userId, home_server: api.serverName }
      return openSession(api, userId, body)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/register/available',
    auth: 'none',
    async handle(api, { query, headers }) {
      const username = query.get('username')
      if (username === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'username is missing')
      requireAvailable(api, username, appServiceFrom(api, { headers, query }))
      return { available: true }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/register/m.login.registration_token/validity',
    versions: ['v1', 'unstable/org.matrix.msc3231'],
    auth: 'none',
    async handle(api, { query, caller }) {
      const token = query.get('token')
      if (token === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'token is missing')
      if (!api.accounts.isRegistrationOpen()) throw registrationClosed()
      const [name, shared] = [nameOfCaller(caller), pageOf(caller)]
      api.rates.registrationTokenChecks.check(name, shared)
      api.rates.registrationTokenChecks.count(name, shared)
      return { valid: api.accounts.isRegistrationToken(token) }
    },
  }),
]

function refuseGuests(query: URLSearchParams): void {
  const kind = query.get('kind') ?? 'user'
  if (kind === 'guest') throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'There are no guests here')
  if (kind !== 'user') throw new MatrixError(400, 'M_INVALID_PARAM', 'There is no such kind of account')
}

/** @see https://spec.matrix.org/latest/application-service-api/#server-admin-style-permissions */
async function registerForService(api: Api, service: AppService, body: v.InferOutput<typeof registerSchema>): Promise<object> {
  const { username } = body
  if (username === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'username is missing')
  requireAvailable(api, username, service)
  const userId = userIdOf(await api.accounts.register({ localpart: username, appServiceId: service.id }))
  if (body.inhibit_login) return { user_id: userId, home_server: api.serverName }
  return openSession(api, userId, body)
}

async function register(api: Api, username: string | undefined, password: string | undefined): Promise<UserId> {
  const outcome = await api.accounts.register({
    ...(username === undefined ? {} : { localpart: username }),
    ...(password === undefined ? {} : { password }),
  })
  return userIdOf(outcome)
}

function userIdOf(outcome: RegisterOutcome): UserId {
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

/** @param service whose user it is to be; undefined for people. */
function requireAvailable(api: Api, username: string, service?: AppService): void {
  const availability = api.accounts.availability(username)
  const userId = availability === 'invalid-name' ? undefined : api.accounts.localUserId(username)
  const isOthers = userId !== undefined && (service?.hasUser(userId) === false || api.appServices.keepsUserFrom(userId, service))
  if (isOthers) throw new MatrixError(400, 'M_EXCLUSIVE', 'This name is kept for others')
  if (availability !== 'available') throw nameError(availability)
}

function nameError(problem: 'in-use' | 'invalid-name'): MatrixError {
  if (problem === 'in-use') return new MatrixError(400, 'M_USER_IN_USE', 'This name is taken')
  return new MatrixError(400, 'M_INVALID_USERNAME', 'This name has characters that names cannot have, or is too long')
}

function registrationClosed(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'This node has an owner; registration is closed')
}
