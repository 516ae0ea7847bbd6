import type { JsonObject } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { DeliveryState, NetworkInfo } from '../federation-access.ts'
import { type Api, type Call, endpoint } from '../endpoint.ts'
import { integerFrom, serverNameFrom } from '../parameters.ts'
import { jsonObjectSchema, userIdSchema } from '../schemas.ts'

const versions = ['unstable/im.kith'] as const
const addressesSchema = v.pipe(
  v.array(v.pipe(v.string(), v.maxLength(limits.implementation.addressCharactersMax))),
  v.minLength(1),
  v.maxLength(limits.implementation.addressesPerRelayMax),
)

type QueryCall = Pick<Call<never, unknown, unknown>, 'query' | 'signal'>

/** What Matrix has no words for: delivery between devices, relays, and invite links. */
export const kithEndpoints = [
  endpoint({ method: 'GET', path: '/deliveries', versions, handle: async (api, call) => readDeliveries(api, call) }),
  endpoint({ method: 'GET', path: '/network', versions, handle: async (api, call) => readNetwork(api, call) }),
  endpoint({
    method: 'GET',
    path: '/contact',
    versions,
    async handle(api, { session }) {
      const displayName = (await api.accounts.profile(session.userId))?.['displayname']
      return {
        user_id: session.userId,
        ...(typeof displayName === 'string' ? { display_name: displayName } : {}),
        relay_list: await api.federation.relayList(),
      }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/contacts',
    versions,
    body: v.looseObject({ user_id: userIdSchema, relay_list: jsonObjectSchema }),
    async handle(api, { body }) {
      const outcome = await api.federation.rememberContact({ userId: body.user_id, relayList: body.relay_list })
      if (outcome.kind === 'invalid') throw new MatrixError(400, 'M_INVALID_PARAM', outcome.reason)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/relays',
    versions,
    body: v.looseObject({ addresses: addressesSchema }),
    async handle(api, { body }) {
      const outcome = await api.federation.addRelays(body.addresses)
      if (outcome.kind === 'invalid') throw new MatrixError(400, 'M_INVALID_PARAM', outcome.reason)
      return { servers: outcome.servers }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/relays/:server',
    versions,
    async handle(api, { params }) {
      if (!(await api.federation.removeRelay(serverNameFrom(params.server)))) throw new MatrixError(404, 'M_NOT_FOUND', 'No such relay is used')
      return {}
    },
  }),
]

/** Without `since` all that is under way, at once; with it what changed, waiting at most `timeout` ms for the first change. */
async function readDeliveries(api: Api, { query, signal }: QueryCall): Promise<JsonObject> {
  const since = query.has('since') ? integerFrom(query, 'since', 0, Number.MAX_SAFE_INTEGER) : undefined
  const deadline = api.ports.clock.now() + timeoutFrom(query)
  let page = await api.federation.deliveries(since)
  while (since !== undefined && page.deliveries.length === 0) {
    const leftMs = deadline - api.ports.clock.now()
    if (leftMs <= 0) break
    await waitAtMost(api, leftMs, signal, (waiting) => api.timeline.changed(page.next, waiting))
    page = await api.federation.deliveries(page.next)
  }
  return { next: page.next, deliveries: page.deliveries.map(describeDelivery) }
}

/** With `since`, waits at most `timeout` ms for a version after it. */
async function readNetwork(api: Api, { query, signal }: QueryCall): Promise<JsonObject> {
  if (query.has('since')) {
    const since = integerFrom(query, 'since', 0, Number.MAX_SAFE_INTEGER)
    await waitAtMost(api, timeoutFrom(query), signal, (waiting) => api.federation.networkChanged(since, waiting))
  }
  return describeNetwork(api, api.federation.network())
}

function timeoutFrom(query: URLSearchParams): number {
  return integerFrom(query, 'timeout', 0, limits.implementation.syncTimeoutMaxMs)
}

/** Resolves when the wait does or the time is up; rejects when the client is gone. */
async function waitAtMost(api: Api, timeoutMs: number, signal: AbortSignal, wait: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const settled = new AbortController()
  const waiting = AbortSignal.any([signal, settled.signal])
  const attempts = [wait(waiting), api.ports.clock.sleep(timeoutMs, waiting)]
  try {
    await Promise.race(attempts)
  } finally {
    settled.abort()
    await Promise.allSettled(attempts)
  }
}

function describeDelivery({ roomId, eventId, destinations }: DeliveryState): JsonObject {
  const states = [...destinations.values()]
  const state = states.length === 0 ? 'delivered' : states.includes('waiting') ? 'waiting' : 'at_relay'
  return { room_id: roomId, event_id: eventId, state, destinations: Object.fromEntries(destinations) }
}

function describeNetwork(api: Api, network: NetworkInfo): JsonObject {
  return {
    version: network.version,
    server_name: api.serverName,
    addresses: [...network.addresses],
    relays: network.relays.map(({ server, addresses, state, mailbox }) => ({ server, addresses: [...addresses], state, mailbox })),
    peers: network.peers.map(({ server, path, transport, direction, roundTripMs }) => ({
      server,
      path,
      transport,
      direction,
      ...(roundTripMs === undefined ? {} : { round_trip_ms: roundTripMs }),
    })),
  }
}
