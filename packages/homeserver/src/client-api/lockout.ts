import { type JsonObject, serverAclAllows } from '@kith/matrix-protocol'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'

/**
 * A server ACL that shuts this server out could not be taken back from here: nobody would listen any more.
 * @throws MatrixError M_BAD_JSON
 */
export function refuseLockout(api: Api, acl: JsonObject): void {
  if (!serverAclAllows(api.serverName, acl)) throw new MatrixError(400, 'M_BAD_JSON', 'These server ACLs would shut out your own server')
}
