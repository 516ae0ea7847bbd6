import { unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import type { InteractiveStage } from '../interactive-auth.ts'
import { newSessionEntries, openSession } from '../open-session.ts'
import { authSchema, passwordSchema } from '../schemas.ts'

const registerSchema = v.looseObject({
  auth: authSchema,
  username: v.optional(v.string()),
  password: v.optional(passwordSchema),
  inhibit_login: v.optional(v.boolean(), false),
  ...newSessionEntries,
})

export const registrationEndpoints = [
  endpoint({
    method: 'POST',
    path: '/register',
    auth: 'none',
    body: registerSchema,
    async handle(api, { query, body }) {
      refuseGuests(query)
      if (!api.accounts.isRegistrationOpen()) throw registrationClosed()
      if (body.username !== undefined) requireAvailable(api, body.username)
      const stage: InteractiveStage = api.accounts.hasRegistrationTokens() ? 'm.login.registration_token' : 'm.login.dummy'
      api.interactiveAuth.require(body.auth, { purpose: 'register', stages: [stage] })
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
    async handle(api, { query }) {
      const username = query.get('username')
      if (username === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'username is missing')
      requireAvailable(api, username)
      return { available: true }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/register/m.login.registration_token/validity',
    versions: ['v1', 'unstable/org.matrix.msc3231'],
    auth: 'none',
    async handle(api, { query }) {
      const token = query.get('token')
      if (token === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'token is missing')
      if (!api.accounts.isRegistrationOpen()) throw registrationClosed()
      api.rates.registrationTokenChecks.take()
      return { valid: api.accounts.isRegistrationToken(token) }
    },
  }),
]

function refuseGuests(query: URLSearchParams): void {
  const kind = query.get('kind') ?? 'user'
  if (kind === 'guest') throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'There are no guests here')
  if (kind !== 'user') throw new MatrixError(400, 'M_INVALID_PARAM', 'There is no such kind of account')
}

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
