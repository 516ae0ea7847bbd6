import { MatrixError } from '../../matrix-error.ts'
import { limits } from '../../limits.ts'
import { parseTransaction } from '../transaction.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv1sendtxnid */
export function sendEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v1/send/:txnId',
    async handle(request) {
      const transactionId = request.parameter('txnId')
      if (transactionId.length > limits.implementation.nameCharactersMax)
        throw new MatrixError(400, 'M_INVALID_PARAM', 'The transaction id is too long')
      const body = await request.jsonObject(limits.implementation.transactionBytesMax)
      const { origin } = request
      if (body['origin'] !== undefined && body['origin'] !== origin)
        throw new MatrixError(403, 'M_FORBIDDEN', 'This is the transaction of another server')
      const parsed = parseTransaction(body)
      if (parsed.kind === 'bad') throw new MatrixError(400, 'M_BAD_JSON', parsed.reason)
      return parts.ingest.receive({ ...parsed.transaction, origin, transactionId, trusted: true }, request.signal)
    },
  }
}
