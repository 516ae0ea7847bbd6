import type { JsonObject } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { StateName } from '../../sync/room-sections.ts'
import type { SyncInput } from '../../sync/sync-engine.ts'
import { readSyncFilter } from '../../sync/sync-filter.ts'
import { parseSyncToken, type SyncToken } from '../../sync/sync-token.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { filterSchema, parseFilter } from '../filter-shape.ts'
import { choiceFrom, integerFrom } from '../parameters.ts'

export const syncEndpoints = [
  endpoint({
    method: 'GET',
    path: '/sync',
    async handle(api, { session, query, signal }) {
      const input: SyncInput = {
        reader: session,
        since: sinceFrom(query),
        filter: readSyncFilter(await filterFrom(api, session, query)),
        fullState: query.get('full_state') === 'true',
        stateName: stateNameFrom(query),
        presence: choiceFrom(query, 'set_presence', ['online', 'offline', 'unavailable']) ?? 'online',
        timeoutMs: integerFrom(query, 'timeout', 0, limits.implementation.syncTimeoutMaxMs),
      }
      return api.polls.run(session.userId, signal, async (either) => api.sync.sync(input, either))
    },
  }),
]

function sinceFrom(query: URLSearchParams): SyncToken | undefined {
  const text = query.get('since')
  if (text === null || text === '') return undefined
  const token = parseSyncToken(text)
  if (token === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'since is no token of sync')
  return token
}

function stateNameFrom(query: URLSearchParams): StateName {
  if (query.get('use_state_after') === 'true') return 'state_after'
  return query.get('org.matrix.msc4222.use_state_after') === 'true' ? 'org.matrix.msc4222.state_after' : 'state'
}

/** The id of a stored filter, or a filter as JSON. */
async function filterFrom(api: Api, session: Session, query: URLSearchParams): Promise<JsonObject> {
  const text = query.get('filter')
  if (text === null || text === '') return {}
  if (!text.startsWith('{')) {
    const stored = await api.filters.get(session.userId, text)
    if (stored === undefined) throw new MatrixError(400, 'M_UNKNOWN', 'No such filter')
    return stored
  }
  return parseFilter(text, filterSchema)
}
