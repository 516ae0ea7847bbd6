import { unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { SlidingInput } from '../../sync/sliding/sliding-sync.ts'
import { endpoint } from '../endpoint.ts'
import { choiceFrom, integerFrom } from '../parameters.ts'
import { slidingRequestOf, slidingSyncSchema } from '../sliding-sync-body.ts'

export const slidingSyncEndpoints = [
  endpoint({
    method: 'POST',
    path: '/sync',
    versions: ['unstable/org.matrix.simplified_msc3575'],
    body: slidingSyncSchema,
    async handle(api, { session, query, body, signal }) {
      const timeoutMs = integerFrom(query, 'timeout', body.timeout ?? 0, limits.implementation.syncTimeoutMaxMs)
      const input: SlidingInput = {
        reader: session,
        connectionId: body.conn_id ?? '',
        token: query.get('pos') ?? body.pos ?? undefined,
        request: slidingRequestOf(body, session.userId),
        timeoutMs,
        presence: choiceFrom(query, 'set_presence', ['online', 'offline', 'unavailable']) ?? 'online',
      }
      const outcome = await api.polls.run(session.userId, signal, async (either) => api.slidingSync.sync(input, either))
      switch (outcome.kind) {
        case 'answer':
          return { ...outcome.body, ...(typeof body.txn_id === 'string' ? { txn_id: body.txn_id } : {}) }
        case 'unknown-position':
          throw new MatrixError(400, 'M_UNKNOWN_POS', 'The connection is no longer known: begin a new one')
        default:
          return unreachable(outcome)
      }
    },
  }),
]
