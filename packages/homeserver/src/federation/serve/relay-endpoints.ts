import { MatrixError } from '../../matrix-error.ts'
import type { Endpoint } from './router.ts'
import { NOTHING, type ServeParts } from './serve-parts.ts'

const KITH = '/_matrix/federation/unstable/im.kith'

/** This server's signed relay list, for whoever wants to leave mail for it. */
export function relayListEndpoint(parts: ServeParts): Endpoint {
  return { method: 'GET', path: `${KITH}/relay_list`, handle: () => parts.relayLists.own }
}

/** A relay calls over the connection that this server made to it. */
export function mailWaitingEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: `${KITH}/mail_waiting`,
    handle(request) {
      if (!parts.mailWaiting(request.origin)) throw new MatrixError(403, 'M_FORBIDDEN', 'This server has no mailbox there')
      return NOTHING
    },
  }
}
