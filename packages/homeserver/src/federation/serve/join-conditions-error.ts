import { unreachable } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import type { JoinConditions } from '../membership/join-conditions.ts'

/**
 * Why this server does not let somebody into a restricted room. The M_UNABLE_… say that another server may be able to.
 * @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_joinroomiduserid
 */
export function conditionsError(conditions: Exclude<JoinConditions, { readonly kind: 'none' | 'met' }>): MatrixError {
  switch (conditions.kind) {
    case 'unknown':
      return new MatrixError(400, 'M_UNABLE_TO_AUTHORISE_JOIN', 'This server cannot tell whether the conditions for joining are met')
    case 'no-voucher':
      return new MatrixError(400, 'M_UNABLE_TO_GRANT_JOIN', 'Nobody of this server may invite to this room')
    case 'unmet':
      return new MatrixError(403, 'M_FORBIDDEN', 'None of the conditions for joining is met')
    default:
      return unreachable(conditions)
  }
}
