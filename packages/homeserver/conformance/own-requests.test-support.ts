import type { Endpoint } from '../src/client-api/endpoint.ts'
import { endpoints } from '../src/client-api/endpoints/index.ts'
import type { Json } from '../src/client-api/test-node.test-support.ts'
import type { Example } from './bad-requests.test-support.ts'
import type { ClientContract } from './client-contract.test-support.ts'
import { endpointOf } from './client-coverage.test-support.ts'
import type { Operation, Parameter } from './openapi.test-support.ts'

/** A right request of alice's to an endpoint that the specification's data does not have. */
export interface OwnRequest {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Json
}

const dehydrated = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const kith = '/_matrix/client/unstable/im.kith'
const fallback = '/_matrix/client/r0/auth/:authType/fallback/web'

/** The endpoints that are no operation of the specification: older and unstable ones, and Kith's own. */
export function ownEndpoints(operations: readonly Operation[]): Endpoint[] {
  const known = new Set(operations.map((operation) => endpointOf(operation)))
  return endpoints.filter((endpoint) => !known.has(endpoint))
}

export function nameOf({ method, paths }: Endpoint): string {
  return `${method} ${paths[0] ?? ''}`
}

/** How to ask each of them, by its name. What has to be there first is made. */
export const ownRequests: Readonly<Record<string, (contract: ClientContract) => Promise<OwnRequest>>> = {
  'GET /.well-known/matrix/server': nothing,
  [`GET ${fallback}`]: async (contract) => ({ params: { authType: 'm.login.dummy' }, query: { session: await sessionOf(contract) } }),
  [`POST ${fallback}`]: async (contract) => ({ params: { authType: 'm.login.dummy' }, query: { session: await sessionOf(contract) } }),
  'GET /_matrix/client/r0/pushrules': nothing,
  'GET /_matrix/client/r0/pushrules/global': nothing,
  'PUT /_matrix/client/r0/rooms/:roomId/state/:type': async ({ roomId }) => ({
    params: { roomId, type: 'm.room.topic' },
    body: { topic: 'Squares' },
  }),
  'GET /_matrix/client/r0/rooms/:roomId/state/:type': async ({ roomId }) => ({ params: { roomId, type: 'm.room.create' } }),
  'GET /_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms': async ({ carol }) => ({ query: { user_id: carol.userId } }),
  [`GET ${kith}/reports`]: async () => ({ query: { limit: '10' } }),
  'GET /_matrix/client/unstable/im.nheko.summary/summary/:roomIdOrAlias': summary,
  'GET /_matrix/client/unstable/im.nheko.summary/rooms/:roomIdOrAlias/summary': summary,
  [`PUT ${dehydrated}`]: async (contract) => ({ body: dehydratedDevice(contract) }),
  [`GET ${dehydrated}`]: async (contract) => dehydrate(contract).then(nothing),
  [`DELETE ${dehydrated}`]: async (contract) => dehydrate(contract).then(nothing),
  [`POST ${dehydrated}/:deviceId/events`]: async (contract) => ({
    params: { deviceId: await dehydrate(contract) },
    body: { next_batch: 'd0' },
  }),
  [`GET ${dehydrated}/:deviceId/events`]: async (contract) => ({ params: { deviceId: await dehydrate(contract) }, query: { from: 'd0' } }),
  'POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync': async ({ roomId }) => ({
    query: { timeout: '0' },
    body: slidingRequest(roomId),
  }),
  [`GET ${kith}/deliveries`]: async () => ({ query: { since: '0', timeout: '0' } }),
  [`GET ${kith}/network`]: async () => ({ query: { since: '0', timeout: '0' } }),
  [`GET ${kith}/contact`]: nothing,
  [`POST ${kith}/contacts`]: async ({ bob, world }) => {
    const { user_id, relay_list } = await world.finish(bob.ok('GET', `${kith}/contact`))
    return { body: { user_id, relay_list } }
  },
  [`POST ${kith}/relays`]: async (contract) => ({ body: { addresses: [relayAddress(contract)] } }),
  [`DELETE ${kith}/relays/:server`]: async (contract) => {
    await contract.alice.ok('POST', `${kith}/relays`, { addresses: [relayAddress(contract)] })
    return { params: { server: contract.away.identity.server } }
  },
}

/** The request in the form of an operation of the data, so that wrong ones can be made from it. */
export function exampleOf(contract: ClientContract, endpoint: Endpoint, { params = {}, query = {}, body }: OwnRequest): Example {
  const route = endpoint.paths[0] ?? ''
  const any = { required: false, type: 'string', schema: {}, check: () => [] }
  const parameters = Object.keys(query).map((name): Parameter => ({ ...any, name, in: 'query' }))
  const operation: Operation = {
    ...contract.operation('getVersions'),
    id: nameOf(endpoint),
    method: endpoint.method,
    path: route.replaceAll(/:(\w+)/g, '{$1}'),
    parameters,
    checkRequestBody: body === undefined ? undefined : () => [],
    responses: new Map(),
  }
  const path = route.replaceAll(/:(\w+)/g, (_whole, name: string) => encodeURIComponent(params[name] ?? ''))
  return { operation, path, query: new URLSearchParams(query), body }
}

async function nothing(): Promise<OwnRequest> {
  return {}
}

async function summary({ roomId }: ClientContract): Promise<OwnRequest> {
  return { params: { roomIdOrAlias: roomId }, query: { via: 'example.org' } }
}

/** A session of interactive authentication in which nothing was done yet. */
async function sessionOf({ home }: ClientContract): Promise<string> {
  return (await home.call('POST', '/register', { username: 'somebody' })).body.session
}

function dehydratedDevice({ alice }: ClientContract): Json {
  const deviceId = 'WAITING'
  return {
    device_id: deviceId,
    initial_device_display_name: 'Dehydrated device',
    device_data: { algorithm: 'org.matrix.msc3814.v2', device_pickle: 'abc' },
    device_keys: {
      user_id: alice.userId,
      device_id: deviceId,
      algorithms: ['m.megolm.v1.aes-sha2'],
      keys: { [`ed25519:${deviceId}`]: 'abc' },
      signatures: { [alice.userId]: { [`ed25519:${deviceId}`]: 'abc' } },
      dehydrated: true,
    },
    one_time_keys: { 'signed_curve25519:one': { key: 'abc' } },
    fallback_keys: { 'signed_curve25519:fallback': { key: 'abc', fallback: true } },
  }
}

/** The id of a device that holds a message. */
async function dehydrate(contract: ClientContract): Promise<string> {
  const { alice, carol, world } = contract
  const body = dehydratedDevice(contract)
  await alice.ok('PUT', dehydrated, body)
  const messages = { [alice.userId]: { [body.device_id]: { text: 'hm' } } }
  await world.finish(carol.ok('PUT', '/sendToDevice/org.example.note/waiting', { messages }))
  return body.device_id
}

function slidingRequest(roomId: string): Json {
  const config = { timeline_limit: 5, required_state: [['m.room.member', '$LAZY']] }
  const scope = { enabled: true, lists: ['all'], rooms: [roomId] }
  const filters = {
    is_dm: false,
    is_encrypted: false,
    is_invite: false,
    room_types: [null],
    not_room_types: ['m.space'],
    tags: [],
    spaces: [],
  }
  return {
    conn_id: 'one',
    txn_id: 'two',
    lists: { all: { ...config, ranges: [[0, 9]] }, some: { ...config, range: [0, 9], filters } },
    room_subscriptions: { [roomId]: { timeline_limit: 1, required_state: { include: [{ type: 'm.room.name' }], lazy_members: true } } },
    extensions: {
      to_device: { enabled: true, limit: 5, since: '0' },
      e2ee: { enabled: true },
      account_data: scope,
      receipts: scope,
      typing: scope,
    },
  }
}

function relayAddress({ away }: ClientContract): string {
  return `/ip4/127.0.0.1/tcp/1/p2p/${away.identity.server}`
}
