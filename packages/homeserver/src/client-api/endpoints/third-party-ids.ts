import * as v from 'valibot'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { authSchema, textSchema as text } from '../schemas.ts'

const sendAttempt = v.pipe(v.number(), v.integer())
const identityServerEntries = { id_server: v.optional(text), id_access_token: v.optional(text), next_link: v.optional(text) }

const tokenByMail = v.looseObject({ client_secret: text, email: text, send_attempt: sendAttempt, ...identityServerEntries })
const tokenByPhone = v.looseObject({
  client_secret: text,
  country: text,
  phone_number: text,
  send_attempt: sendAttempt,
  ...identityServerEntries,
})

const credentials = v.looseObject({ client_secret: text, id_server: text, id_access_token: v.optional(text), sid: text })
const thirdPartyId = v.looseObject({ id_server: v.optional(text), medium: v.picklist(['email', 'msisdn']), address: text })

/** Nothing here sends mail or messages to phones, and no identity server is asked: no address is ever bound to an account. */
export const thirdPartyIdEndpoints = [
  endpoint({ method: 'GET', path: '/account/3pid', handle: async () => ({ threepids: [] }) }),
  endpoint({
    method: 'POST',
    path: '/account/3pid',
    body: v.looseObject({ three_pid_creds: credentials }),
    handle: async () => {
      throw notVerified(403)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/account/3pid/add',
    body: v.looseObject({ auth: authSchema, client_secret: text, sid: text }),
    handle: async () => {
      throw notVerified(400)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/account/3pid/bind',
    body: credentials,
    handle: async () => {
      throw new MatrixError(400, 'M_SERVER_NOT_TRUSTED', 'This server trusts no identity server')
    },
  }),
  // What is not there is as good as removed; which identity server might know of it is not known here.
  ...(['/account/3pid/delete', '/account/3pid/unbind'] as const).map((path) =>
    endpoint({ method: 'POST', path, body: thirdPartyId, handle: async () => ({ id_server_unbind_result: 'no-support' }) }),
  ),
  ...tokenRequests('/register', () => new MatrixError(403, 'M_THREEPID_DENIED', 'Accounts of this server have no addresses')),
  ...tokenRequests(
    '/account/3pid',
    () => new MatrixError(400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED', 'Accounts of this server have no addresses'),
  ),
  ...tokenRequests('/account/password', () => new MatrixError(400, 'M_THREEPID_NOT_FOUND', 'No account of this server has this address')),
]

function tokenRequests(path: '/register' | '/account/3pid' | '/account/password', refusal: () => MatrixError) {
  const handle = async (): Promise<never> => {
    throw refusal()
  }
  return [
    endpoint({ method: 'POST', path: `${path}/email/requestToken`, auth: 'none', body: tokenByMail, handle }),
    endpoint({ method: 'POST', path: `${path}/msisdn/requestToken`, auth: 'none', body: tokenByPhone, handle }),
  ]
}

function notVerified(status: number): MatrixError {
  return new MatrixError(status, 'M_THREEPID_AUTH_FAILED', 'No address was verified in such a session')
}
