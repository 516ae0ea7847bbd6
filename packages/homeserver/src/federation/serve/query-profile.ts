import { MatrixError } from '../../matrix-error.ts'
import { localUser } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1queryprofile */
export function queryProfileEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/query/profile',
    async handle(request) {
      const text = request.query.get('user_id')
      if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', '`user_id` is missing')
      const userId = localUser(parts, text)
      await parts.users.existsOrIsMade(userId, request.signal)
      const profile = await parts.users.profileOf(userId)
      if (profile === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
      const field = request.query.get('field')
      if (field === null) return { ...profile, 'im.kith.relay_list': parts.relayLists.own }
      const value = Object.hasOwn(profile, field) ? profile[field] : undefined
      if (value === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The profile has no such field')
      return { [field]: value }
    },
  }
}
