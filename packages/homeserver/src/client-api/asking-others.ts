import type { ServerName } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'

/**
 * Of endpoints that anybody may call: whoever has no account learns only what lies here. Else any page that can reach this server could
 * make it ask others, and dial whomever the page names.
 * @throws MatrixError M_MISSING_TOKEN
 */
export function refuseToAskFor(api: Pick<Api, 'serverName'>, session: Session | undefined, server: ServerName): void {
  if (session !== undefined || server === api.serverName) return
  throw new MatrixError(401, 'M_MISSING_TOKEN', 'Other servers are asked only for users of this one')
}
