import { endpoint } from '../endpoint.ts'
import { ownUserId } from '../parameters.ts'
import { jsonObjectSchema } from '../schemas.ts'

export const openIdEndpoints = [
  endpoint({
    method: 'POST',
    path: '/user/:userId/openid/request_token',
    body: jsonObjectSchema,
    async handle(api, { params, session }) {
      const { token, lifetimeMs } = await api.openIdTokens.issue(ownUserId(params.userId, session))
      return { access_token: token, token_type: 'Bearer', matrix_server_name: api.serverName, expires_in: lifetimeMs / 1000 }
    },
  }),
]
