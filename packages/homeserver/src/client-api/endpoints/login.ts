import { unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { AppService } from '../../app-services/app-service.ts'
import { removeAllDevices, removeDevices } from '../../keys/remove-devices.ts'
import { MatrixError } from '../../matrix-error.ts'
import { requireAppService } from '../authenticate.ts'
import type { Caller } from '../caller.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { describeTokens, newSessionEntries, openSession } from '../open-session.ts'
import { userLocked } from '../restrictions.ts'
import { authSchema, identifierEntries } from '../schemas.ts'

const loginSchema = v.looseObject({
  type: v.string(),
  ...identifierEntries,
  /** Older clients name an address in this way. */
  address: v.optional(v.string()),
  medium: v.optional(v.string()),
  password: v.optional(v.string()),
  token: v.optional(v.string()),
  ...newSessionEntries,
})

export const loginEndpoints = [
  endpoint({
    method: 'GET',
    path: '/login',
    auth: 'none',
    handle: async (api) => ({
      flows: [
        { type: 'm.login.password' },
        { type: 'm.login.token', get_login_token: true },
        ...(api.appServices.all.length === 0 ? [] : [{ type: 'm.login.application_service' }]),
      ],
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/login',
    auth: 'none',
    body: loginSchema,
    async handle(api, { headers, query, body, caller }) {
      const isService = body.type === 'm.login.application_service'
      const userId = isService ? userOfService(api, requireAppService(api, { headers, query }), body) : userLoggingIn(api, body, caller)
      return openSession(api, userId, body)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/login/get_token',
    versions: ['v1'],
    body: v.looseObject({ auth: authSchema }),
    async handle(api, { session, body, caller }) {
      const { userId } = session
      if (!api.accounts.canProve(userId)) throw new MatrixError(400, 'M_FORBIDDEN', 'This account has no password to confirm this with')
      api.interactiveAuth.require(body.auth, { purpose: 'login token', stages: ['m.login.password'], userId }, caller)
      api.rates.loginTokensPerUser.take(userId)
      const { token, expiresInMs } = api.loginTokens.issue(userId)
      return { login_token: token, expires_in_ms: expiresInMs }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/refresh',
    auth: 'none',
    body: v.looseObject({ refresh_token: v.string() }),
    async handle(api, { body }) {
      const outcome = await api.devices.refresh(body.refresh_token)
      switch (outcome.kind) {
        case 'refreshed':
          return describeTokens(outcome.tokens)
        case 'locked':
          throw userLocked()
        case 'unknown':
          throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'This refresh token is unknown, or was used already', { soft_logout: true })
        default:
          return unreachable(outcome)
      }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/logout',
    async handle(api, { session }) {
      await removeDevices(api, session.userId, [session.deviceId])
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/logout/all',
    async handle(api, { session }) {
      api.loginTokens.revoke(session.userId)
      await removeAllDevices(api, session.userId)
      return {}
    },
  }),
  // Nobody else vouches for the users of a node.
  endpoint({
    method: 'GET',
    path: '/login/sso/redirect',
    auth: 'none',
    handle: async () => {
      throw new MatrixError(404, 'M_UNRECOGNIZED', 'There is no single sign-on here')
    },
  }),
  endpoint({
    method: 'GET',
    path: '/login/sso/redirect/:idpId',
    auth: 'none',
    handle: async () => {
      throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such identity provider')
    },
  }),
]

/** @see https://spec.matrix.org/latest/client-server-api/#appservice-login */
function userOfService(api: Api, service: AppService, { identifier, user }: v.InferOutput<typeof loginSchema>): UserId {
  const name = identifier?.user ?? user
  if (name === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'A user is needed')
  const userId = api.accounts.localUserId(name)
  if (userId === undefined || !service.hasUser(userId))
    throw new MatrixError(400, 'M_EXCLUSIVE', 'This user does not belong to the application service')
  if (!api.accounts.exists(userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'There is no such user')
  return userId
}

function userLoggingIn(api: Api, body: v.InferOutput<typeof loginSchema>, caller: Caller): UserId {
  switch (body.type) {
    case 'm.login.password': {
      if (body.password === undefined || (body.identifier ?? body.user ?? body.address) === undefined)
        throw new MatrixError(400, 'M_MISSING_PARAM', 'A user and a password are needed')
      const userId = api.passwords.userOf(body, caller)
      if (userId === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'Unknown user or wrong password')
      return userId
    }
    case 'm.login.token': {
      if (body.token === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'A token is needed')
      const userId = api.loginTokens.redeem(body.token)
      if (userId === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'This token is unknown, was used already, or has expired')
      return userId
    }
    default:
      throw new MatrixError(400, 'M_UNKNOWN', 'This way of logging in is not offered')
  }
}
