import { ownString, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import type { DeliveryState, NetworkInfo } from '../federation-access.ts'
import { fingerprintOf } from '../fingerprint.ts'
import { integerFrom, serverNameFrom } from '../parameters.ts'
import { jsonObjectSchema, userIdSchema } from '../schemas.ts'
import { waitBounded } from '../../wait-bounded.ts'

const versions = ['unstable/im.kith'] as const
const { addressCharactersMax, addressesPerRelayMax } = limits.implementation

/** What a Matrix client has no words for: deliveries, the network, contacts and relays of this node. */
export const kithEndpoints = [
  endpoint({
    method: 'GET',
    path: '/deliveries',
    versions,
    async handle(api, { query, signal }) {
      if (query.get('since') === null) return describeDeliveries(await api.federation.deliveries(undefined))
      const since = integerFrom(query, 'since', 0, Number.MAX_SAFE_INTEGER)
      const timeoutMs = integerFrom(query, 'timeout', 0, limits.implementation.syncTimeoutMaxMs)
      const deadline = api.ports.clock.now() + timeoutMs
      let seen = since
      for (;;) {
        const position = api.timeline.position
        const found = await api.federation.deliveries(seen)
        const remaining = deadline - api.ports.clock.now()
        if (found.deliveries.length > 0 || found.next < position || remaining <= 0) return describeDeliveries(found)
        seen = found.next
        await waitBounded(api.ports.clock, remaining, signal, (bounded) => api.timeline.changed(position, bounded))
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/network',
    versions,
    async handle(api, { query, signal }) {
      if (query.get('since') !== null) {
        const since = integerFrom(query, 'since', 0, Number.MAX_SAFE_INTEGER)
        const timeoutMs = integerFrom(query, 'timeout', 0, limits.implementation.syncTimeoutMaxMs)
        await waitBounded(api.ports.clock, timeoutMs, signal, (bounded) => api.federation.networkChanged(since, bounded))
      }
      return describeNetwork(api.serverName, api.federation.network())
    },
  }),
  endpoint({
    method: 'GET',
    path: '/contact',
    versions,
    async handle(api, { session }) {
      const profile = (await api.accounts.profile(session.userId)) ?? {}
      return {
        user_id: session.userId,
        display_name: ownString(profile, 'displayname') ?? session.userId,
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
      if (serverNameOf(body.user_id) === api.serverName) throw new MatrixError(400, 'M_INVALID_PARAM', 'This user lives here')
      const outcome = await api.federation.rememberContact({ userId: body.user_id, relayList: body.relay_list })
      if (outcome.kind === 'invalid') throw new MatrixError(400, 'M_INVALID_PARAM', outcome.reason)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/relays',
    versions,
    body: v.looseObject({
      addresses: v.pipe(v.array(v.pipe(v.string(), v.maxLength(addressCharactersMax))), v.minLength(1), v.maxLength(addressesPerRelayMax)),
    }),
    async handle(api, { session, body }) {
      requireOwner(api, session.userId)
      const outcome = await api.federation.addRelays(body.addresses)
      if (outcome.kind === 'invalid') throw new MatrixError(400, 'M_INVALID_PARAM', outcome.reason)
      return { servers: outcome.servers }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/relays/:server',
    versions,
    async handle(api, { session, params }) {
      requireOwner(api, session.userId)
      if (!(await api.federation.removeRelay(serverNameFrom(params.server))))
        throw new MatrixError(404, 'M_NOT_FOUND', 'This is no relay of this node')
      return {}
    },
  }),
]

function requireOwner(api: Api, userId: Parameters<Api['accounts']['isOwner']>[0]): void {
  if (!api.accounts.isOwner(userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'Only the owner of this node chooses its relays')
}

function describeDeliveries(found: { readonly next: number; readonly deliveries: readonly DeliveryState[] }): object {
  return {
    next: found.next,
    deliveries: found.deliveries.map(({ roomId, eventId, destinations }) => ({
      room_id: roomId,
      event_id: eventId,
      state: stateOf(destinations),
      destinations: Object.fromEntries(destinations),
    })),
  }
}

/** As good as its worst destination. */
function stateOf(destinations: DeliveryState['destinations']): 'delivered' | 'waiting' | 'at_relay' {
  const states = [...destinations.values()]
  if (states.length === 0) return 'delivered'
  return states.includes('waiting') ? 'waiting' : 'at_relay'
}

function describeNetwork(serverName: ServerName, network: NetworkInfo): object {
  return {
    version: network.version,
    server_name: serverName,
    fingerprint: fingerprintOf(serverName),
    addresses: network.addresses,
    relays: network.relays,
    peers: network.peers.map(({ roundTripMs, ...peer }) => ({
      ...peer,
      ...(roundTripMs === undefined ? {} : { round_trip_ms: roundTripMs }),
    })),
  }
}
