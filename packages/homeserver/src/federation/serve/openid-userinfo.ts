import { MatrixError } from '../../matrix-error.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1openiduserinfo */
export function openIdUserInfoEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/openid/userinfo',
    async handle(request) {
      const token = request.query.get('access_token')
      if (token === null) throw new MatrixError(401, 'M_MISSING_TOKEN', '`access_token` is missing')
      const userId = await parts.openIdTokens.verify(token)
      if (userId === undefined || !parts.users.exists(userId)) {
        throw new MatrixError(401, 'M_UNKNOWN_TOKEN', 'The token is not known here, or has expired')
      }
      return { sub: userId }
    },
  }
}
