import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Log } from '../ports/index.ts'
import { silentLog } from '@kith/testkit/silent-log'
import { endpoints } from './endpoints/index.ts'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

let node: TestNode
let alice: TestUser
let roomId: string
let eventId: string
const unexpected: string[] = []

beforeAll(async () => {
  node = new TestNode()
  const log: Log = { ...silentLog, error: (_message, fields) => unexpected.push(JSON.stringify(fields)) }
  node.log = log
  await node.start()
  alice = await node.register('alice')
  roomId = await alice.createRoom()
  eventId = await alice.say(roomId, 'target')
})

afterAll(async () => {
  await node[Symbol.asyncDispose]()
})

/** Text that has a meaning somewhere, and text that has none anywhere. */
const odd = fc.oneof(
  fc.constantFrom(
    '',
    '.',
    '@a:b',
    '!r:b',
    '$e:b',
    '#x:y',
    'null',
    '-1',
    '__proto__',
    'constructor',
    'm.room.member',
    'm.room.create',
    'm.room.power_levels',
    '*',
    's0',
    's99999_1',
    'h0_0',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ minLength: 200, maxLength: 400 }),
)

/** Names that bodies have, so that generated bodies get past the first look. */
const memberNames = fc.constantFrom(
  'auth',
  'type',
  'session',
  'username',
  'password',
  'identifier',
  'user',
  'device_id',
  'devices',
  'display_name',
  'displayname',
  'avatar_url',
  'actions',
  'conditions',
  'pattern',
  'enabled',
  'preset',
  'invite',
  'initial_state',
  'content',
  'state_key',
  'name',
  'topic',
  'room_version',
  'creation_content',
  'power_level_content_override',
  'is_direct',
  'user_id',
  'reason',
  'membership',
  'users',
  'events',
  'redacts',
  'typing',
  'timeout',
  'thread_id',
  'm.read',
  'm.fully_read',
  'device_keys',
  'one_time_keys',
  'fallback_keys',
  'master_key',
  'self_signing_key',
  'keys',
  'signatures',
  'usage',
  'messages',
  'sessions',
  'rooms',
  'session_data',
  'algorithm',
  'auth_data',
  'search_term',
  'limit',
  'presence',
  'relay_list',
  'addresses',
  'room_id',
  'room',
  'm.relates_to',
  'join_rule',
  '__proto__',
  'constructor',
  'toString',
)

const body = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e300, '', [], {}),
    fc.string({ unit: 'binary', maxLength: 10 }),
    odd,
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.oneof(memberNames, odd), tie('value'), { maxKeys: 6, noNullPrototype: true }),
})).object

const queryNames = [
  'from',
  'to',
  'dir',
  'limit',
  'at',
  'since',
  'timeout',
  'filter',
  'version',
  'before',
  'after',
  'membership',
  'kind',
  'username',
  'via',
]

const key = { key: 'AAAA', signatures: { '@alice:x': { 'ed25519:D': 'BBBB' } } }
const crossSigning = (usage: string) => ({ user_id: alice.userId, usage: [usage], keys: { 'ed25519:AAAA': 'AAAA' }, signatures: {} })

/** Right bodies, which generated ones are made from by spoiling a part. By the end of the path. */
const examples: Readonly<Record<string, () => object>> = {
  '/createRoom': () => ({
    preset: 'private_chat',
    name: 'n',
    topic: 't',
    invite: ['@b:example.org'],
    is_direct: true,
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'a' } }],
    creation_content: { type: 'm.space', additional_creators: ['@b:example.org'] },
    power_level_content_override: { users: { '@b:example.org': 5 }, events: { a: 1 } },
    room_version: '12',
  }),
  '/register': () => ({ username: 'x', password: 'y', auth: { type: 'm.login.dummy', session: 's' }, device_id: 'D' }),
  '/login': () => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'p' }),
  '/send/:type/:txnId': () => ({
    msgtype: 'm.text',
    body: 'b',
    'm.relates_to': { rel_type: 'm.thread', event_id: eventId },
    'm.mentions': { user_ids: [] },
  }),
  '/state/:type/:stateKey': () => ({
    membership: 'join',
    users: {},
    ban: 50,
    join_rule: 'public',
    name: 'n',
    history_visibility: 'shared',
    alias: '#a:b',
  }),
  '/keys/upload': () => ({
    device_keys: { user_id: alice.userId, device_id: alice.deviceId, algorithms: ['a'], keys: { 'ed25519:D': 'k' }, signatures: {} },
    one_time_keys: { 'signed_curve25519:AAAA': key },
    fallback_keys: { 'signed_curve25519:AAAB': { ...key, fallback: true } },
  }),
  '/keys/query': () => ({ device_keys: { [alice.userId]: [], '@b:example.org': ['D'] }, timeout: 10 }),
  '/keys/claim': () => ({ one_time_keys: { [alice.userId]: { [alice.deviceId]: 'signed_curve25519' }, '@b:example.org': { D: 'a' } } }),
  '/keys/device_signing/upload': () => ({
    master_key: crossSigning('master'),
    self_signing_key: crossSigning('self_signing'),
    auth: { type: 'x' },
  }),
  '/keys/signatures/upload': () => ({
    [alice.userId]: { [alice.deviceId]: { user_id: alice.userId, signatures: { [alice.userId]: { a: 'b' } } } },
  }),
  '/sendToDevice/:type/:txnId': () => ({ messages: { [alice.userId]: { '*': { a: 1 } }, '@b:example.org': { D: { b: 'c' } } } }),
  '/room_keys/keys': () => ({ rooms: { '!r': { sessions: { s: { first_message_index: 1, is_verified: true, session_data: {} } } } } }),
  '/room_keys/version': () => ({ algorithm: 'a', auth_data: { public_key: 'k' } }),
  '/pushrules/global/:kind/:ruleId': () => ({
    actions: ['notify'],
    conditions: [{ kind: 'event_match', key: 'content.body', pattern: '*' }],
    pattern: 'p',
  }),
  '/user/:userId/filter': () => ({ room: { timeline: { limit: 3, types: ['m.*'] }, rooms: [roomId] } }),
  '/invite': () => ({ user_id: '@b:example.org', reason: 'r' }),
  '/ban': () => ({ user_id: '@b:example.org', reason: 'r' }),
  '/read_markers': () => ({ 'm.fully_read': eventId, 'm.read': eventId }),
  '/typing/:userId': () => ({ typing: true, timeout: 1000 }),
  '/contacts': () => ({ user_id: '@b:example.org', relay_list: { server: 'x', relays: [], seq: 1 } }),
  '/relays': () => ({ addresses: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }),
}

/** The example with one member somewhere in it replaced. */
function spoil(example: unknown, path: readonly number[], value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined || typeof example !== 'object' || example === null) return value
  const copy: Json = structuredClone(example)
  const names = Object.keys(copy)
  const name = names[step % Math.max(1, names.length)]
  if (name === undefined) return value
  copy[name] = spoil(copy[name], rest, value)
  return copy
}

function bodyFor(path: string): fc.Arbitrary<unknown> {
  const [, example] = Object.entries(examples).find(([end]) => path.endsWith(end)) ?? []
  if (example === undefined) return body
  const steps = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 })
  const value = fc.oneof(body, odd, fc.constantFrom(null, 0, -1, 1.5, [], {}, true))
  return fc.oneof(
    body,
    fc.tuple(steps, value).map(([where, spoilt]) => spoil(example(), where, spoilt)),
    fc.constant(undefined).map(() => example()),
  )
}

/** Mostly what belongs there, so that the handlers are reached. */
function segmentFor(name: string): fc.Arbitrary<string> {
  const right: Readonly<Record<string, readonly string[]>> = {
    roomId: [roomId],
    roomIdOrAlias: [roomId, '#a:example.org'],
    eventId: [eventId],
    userId: [alice.userId, '@b:example.org'],
    deviceId: [alice.deviceId],
    type: ['m.room.name', 'm.room.member', 'm.room.power_levels', 'm.room.redaction', 'm.read', 'm.read.private', 'x.custom'],
    stateKey: ['', alice.userId, '@b:example.org'],
    kind: ['override', 'content', 'room', 'sender', 'underride'],
    ruleId: ['.m.rule.master', 'own', roomId],
    version: ['1', '2'],
    field: ['displayname', 'avatar_url', 'm.tz'],
    relType: ['m.thread'],
    server: [node.identity.server],
    alias: [`#garden:${node.identity.server}`],
  }
  const known = right[name]
  return known === undefined ? odd : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: odd })
}

function pathFor(pattern: string): fc.Arbitrary<string> {
  const segments = pattern.split('/').map((segment) => (segment.startsWith(':') ? segmentFor(segment.slice(1)) : fc.constant(segment)))
  return fc.tuple(...segments).map((values) => values.map((value) => encodeURIComponent(value.toWellFormed())).join('/'))
}

const queryValues: Readonly<Record<string, readonly string[]>> = {
  dir: ['b', 'f'],
  version: ['1', '2'],
  since: ['s1', 's5_2'],
  from: ['s3', 'h1_0'],
  to: ['s9'],
}
const query = fc
  .dictionary(fc.constantFrom(...queryNames), fc.oneof(odd, fc.constant('right')), { maxKeys: 5 })
  .map((chosen) =>
    Object.entries(chosen).map(([name, value]) => [name, value === 'right' ? (queryValues[name]?.[0] ?? '1') : value.toWellFormed()]),
  )

const destructive = ['/logout', '/logout/all', '/account/deactivate', '/delete_devices', '/devices']

test.each(endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.paths[0]}`, endpoint] as const))(
  '%s: whatever is sent, the answer is no internal error',
  async (_name, endpoint) => {
    // Sessions that end on the way would hide what comes after.
    if (destructive.some((path) => endpoint.paths[0]!.endsWith(path))) return
    const state = await alice.ok('GET', '/joined_rooms')
    if (!state.joined_rooms.includes(roomId)) {
      roomId = await alice.createRoom()
      eventId = await alice.say(roomId, 'target')
    }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...endpoint.paths).chain(pathFor),
        query,
        bodyFor(endpoint.paths[0]!),
        async (path, parameters, json) => {
          // Long polls would wait for a clock that stands still.
          const search = parameters.filter(([name]) => name !== 'timeout') as [string, string][]
          const url = `${path}?${new URLSearchParams(search)}`
          const reply = await node.world.finish(
            alice.call(endpoint.method, url, endpoint.method === 'GET' ? undefined : JSON.stringify(json)),
          )
          expect(unexpected, JSON.stringify({ url, json })).toEqual([])
          expect(reply.status, JSON.stringify({ url, json, reply })).toSatisfy((status: number) => status < 500 || status === 504)
          // A challenge of interactive authentication needs no errcode.
          const hasError = typeof reply.body?.errcode === 'string' && typeof reply.body.error === 'string'
          expect(reply.status < 400 || reply.status === 401 || hasError).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  },
)
