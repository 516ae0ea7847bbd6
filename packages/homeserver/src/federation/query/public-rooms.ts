import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import type { RemotePublicRoomsOutcome } from '../../client-api/federation-access.ts'
import { parsePublicRooms, type PublicRoomsQuery } from '../../directory/index.ts'
import type { PeerClient } from '../peer-client.ts'

const PATH = '/_matrix/federation/v1/publicRooms'

/** Asks for the rooms that another server publishes. @see https://spec.matrix.org/latest/server-server-api/#post_matrixfederationv1publicrooms */
export async function askPublicRooms(
  client: PeerClient,
  server: ServerName,
  query: PublicRoomsQuery,
  signal: AbortSignal,
): Promise<RemotePublicRoomsOutcome> {
  const { limit, since, searchTerm, roomTypes } = query
  const paging = { ...(limit === 0 ? {} : { limit }), ...(since === undefined ? {} : { since }) }
  const filter: JsonObject = {
    ...(searchTerm === undefined ? {} : { generic_search_term: searchTerm }),
    ...(roomTypes === undefined ? {} : { room_types: roomTypes }),
  }
  const hasFilter = Object.keys(filter).length > 0
  const parameters = new URLSearchParams(Object.entries(paging).map(([name, value]) => [name, String(value)]))
  const answer = hasFilter
    ? await client.call(server, { method: 'POST', path: PATH, body: { ...paging, filter } }, signal)
    : await client.call(server, { method: 'GET', path: parameters.size === 0 ? PATH : `${PATH}?${parameters}` }, signal)
  if (answer.kind === 'refused') return { kind: 'refused', status: answer.status, errcode: answer.errcode, reason: answer.reason }
  if (answer.kind !== 'ok') return { kind: 'unreachable', reason: answer.reason }
  const page = parsePublicRooms(answer.body)
  return page === undefined ? { kind: 'unreachable', reason: 'The answer is malformed' } : { kind: 'answered', page }
}
