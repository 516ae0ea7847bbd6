import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestUser } from '../src/client-api/test-node.test-support.ts'
import type { Endpoint } from '../src/client-api/endpoint.ts'
import { limits } from '../src/limits.ts'
import { badRequests, type Example } from './bad-requests.test-support.ts'
import { wrongRequests } from './client-bad-requests.test-support.ts'
import { callAll } from './client-calls/all.test-support.ts'
import { type Asker, ClientContract, PASSWORD } from './client-contract.test-support.ts'
import { endpointOf } from './client-coverage.test-support.ts'
import { type ClientExchange, errcodeOf, problemsOfForm } from './client-exchange-checks.test-support.ts'
import { toleranceOf } from './client-tolerance.test-support.ts'
import { schemaRequests } from './client-schema-bodies.test-support.ts'
import { bodyOf, problemsOfAnswer, urlOf, type WrongRequest } from './client-wrong-request.test-support.ts'
import type { Operation } from './openapi.test-support.ts'
import { nameOf, ownEndpoints } from './own-requests.test-support.ts'

const RUNS = 40
/** Between requests of what may only be asked so often. */
const PAUSE_MS = 10_000
/** What ends sessions: asked in one of their own. */
const endsSessions: ReadonlySet<string> = new Set([
  'logout',
  'logout_all',
  'deactivateAccount',
  'deleteDevice',
  'deleteDevices',
  'changePassword',
])

const contract = new ClientContract()
const operations = contract.operations.filter((operation) => endpointOf(operation) !== undefined)
const cases = operations.map((operation) => [operation.id, operation] as const)
let loggedOut: TestUser
let expired: TestUser
let seen = 0

beforeAll(async () => {
  await contract.begin()
  await callAll(contract)
  loggedOut = await contract.home.register('frank')
  await loggedOut.ok('POST', '/logout')
  await contract.home.register('grace', PASSWORD)
  const login = { type: 'm.login.password', user: 'grace', password: PASSWORD, refresh_token: true }
  const answer = (await contract.home.call('POST', '/login', login)).body
  expired = new TestUser(contract.home, answer)
  await contract.world.run(answer.expires_in_ms + 1)
})

afterAll(async () => {
  process.stdout.write(`${seen} wrong requests to ${operations.length} operations\n`)
  await contract[Symbol.asyncDispose]()
})

/** The last request of the operation that was right, by somebody who is still here. */
async function exampleOf(operation: Operation): Promise<Example & { readonly asker: Asker }> {
  const own = contract.exchanges.filter((exchange) => exchange.operation.id === operation.id)
  const isHere = ({ asker }: ClientExchange): boolean => [contract.alice, contract.carol, contract.bridge].includes(asker as TestUser)
  const right =
    own.findLast((exchange) => exchange.status < 400 && isHere(exchange)) ?? own.findLast(({ status }) => status < 400) ?? own[0]
  if (right === undefined) throw new Error(`${operation.id} was never called`)
  const body: unknown = operation.bodySchema === undefined ? undefined : right.requestBody
  const query = new URLSearchParams(right.url.searchParams)
  // Bad requests may have begun other backups.
  if (query.has('version')) query.set('version', (await contract.alice.ok('GET', '/room_keys/version')).version)
  return { operation, path: right.url.pathname, query, body, asker: isHere(right) ? right.asker : contract.alice }
}

async function send(
  asker: Asker,
  operation: Operation,
  { path, body, headers }: Pick<WrongRequest, 'path' | 'body' | 'headers'>,
  method = operation.method,
): Promise<ClientExchange> {
  const all = {
    ...(asker instanceof TestUser ? { authorization: `Bearer ${asker.token}` } : {}),
    'content-type': 'application/json',
    ...headers,
  }
  const sent = body === undefined || method === 'GET' || method === 'HEAD' ? {} : { body }
  seen++
  return contract.sendRequest(asker, operation, new Request(`http://node.test${path}`, { method, headers: all, ...sent }), body)
}

async function askerOf(operation: Operation, asker: Asker): Promise<Asker> {
  // Whatever is counted is forgotten by then.
  if (operation.responses.has(429) || endsSessions.has(operation.id)) await contract.world.run(PAUSE_MS)
  return endsSessions.has(operation.id) ? contract.home.register(`guest${seen}`) : asker
}

describe('whatever clients send', () => {
  test.each(cases)('%s: wrong in every way that the data tells of', async (_id, operation) => {
    const example = await exampleOf(operation)
    const problems: string[] = []
    for (const request of wrongRequests(example)) {
      const exchange = await send(await askerOf(operation, example.asker), operation, request)
      problems.push(...problemsOfAnswer(operation, request, exchange))
    }
    expect(problems).toEqual([])
    expect(contract.errorsLogged.splice(0)).toEqual([])
    await stillServes()
  })

  test.each(cases)('%s: anything at all', async (_id, operation) => {
    const example = await exampleOf(operation)
    const { bodySchema } = operation
    const fromSchema = bodySchema === undefined ? [] : [schemaRequests({ ...example, operation: { ...operation, bodySchema } })]
    await fc.assert(
      fc.asyncProperty(fc.oneof(badRequests(example), ...fromSchema), async (request) => {
        const exchange = await send(await askerOf(operation, example.asker), operation, request, request.method)
        expect(problemsOfForm(operation, exchange)).toEqual([])
        expect(contract.errorsLogged.splice(0)).toEqual([])
      }),
      { numRuns: RUNS },
    )
    await stillServes()
  })

  test.each(cases)('%s: tokens', async (_id, operation) => {
    const example = await exampleOf(operation)
    const wish = { path: urlOf(example.path, example.query), ...bodyOf(example) }
    const isOpen = endpointOf(operation)?.auth === 'none'
    const unknown = [new TestUser(contract.home, { user_id: '', device_id: '', access_token: 'none' }), loggedOut, foreigner(), expired]
    const answers = []
    for (const asker of [contract.home, ...unknown]) {
      const exchange = await send(asker, operation, wish)
      expect(problemsOfForm(operation, exchange)).toEqual([])
      answers.push(`${exchange.status} ${errcodeOf(exchange)}`)
    }
    // Who asks does not matter to what anybody may ask.
    const first = operation.auth === 'required' ? '401 M_MISSING_TOKEN' : answers[0]
    const due = isOpen ? answers : [first, ...unknown.map(() => '401 M_UNKNOWN_TOKEN')]
    expect(answers).toEqual(due)
  })

  test.each(cases.filter(([, { path }]) => path.includes('{userId}')))('%s: of another user', async (id, operation) => {
    const example = await exampleOf(operation)
    const place = operation.path.split('/').indexOf('{userId}')
    for (const user of [contract.bob, example.asker === contract.alice ? contract.carol : contract.alice]) {
      const path = example.path.split('/').with(place, encodeURIComponent(user.userId)).join('/')
      const exchange = await send(example.asker, operation, { path: urlOf(path, example.query), ...bodyOf(example) })
      expect(toleranceOf(id, 'of another user')?.answers ?? ['403 M_FORBIDDEN']).toContain(`${exchange.status} ${errcodeOf(exchange)}`)
    }
  })
})

describe('whatever is sent to what the data does not have', () => {
  const own = ownEndpoints(operations)
  const sendTo = async (endpoint: Endpoint, asker: Asker, body?: string): Promise<string> => {
    const operation = { ...contract.operation('getVersions'), method: endpoint.method, responses: new Map() }
    const exchange = await send(asker, operation, {
      path: (endpoint.paths[0] ?? '').replaceAll(/:\w+/g, 'x'),
      ...(body === undefined ? {} : { body }),
    })
    expect(problemsOfForm(operation, exchange)).toEqual([])
    return `${exchange.status} ${errcodeOf(exchange)}`
  }

  test.each(own.filter(({ bodySchema }) => bodySchema !== undefined).map((endpoint) => [nameOf(endpoint), endpoint] as const))(
    '%s: bodies',
    async (_name, endpoint) => {
      const tooLarge = `{"a":"${'x'.repeat(endpoint.bodyBytesMax ?? limits.implementation.clientBodyBytesMax)}"}`
      const answers = []
      for (const body of ['{', '[]', 'null', '['.repeat(1_000), tooLarge]) answers.push(await sendTo(endpoint, contract.alice, body))
      expect(answers).toEqual(['400 M_NOT_JSON', '400 M_BAD_JSON', '400 M_BAD_JSON', '400 M_BAD_JSON', '413 M_TOO_LARGE'])
      await stillServes()
    },
  )

  test.each(own.filter(({ auth }) => auth === 'required').map((endpoint) => [nameOf(endpoint), endpoint] as const))(
    '%s: tokens',
    async (_name, endpoint) => {
      expect(await sendTo(endpoint, contract.home)).toBe('401 M_MISSING_TOKEN')
      for (const asker of [loggedOut, expired, foreigner()]) expect(await sendTo(endpoint, asker)).toBe('401 M_UNKNOWN_TOKEN')
    },
  )
})

/** Known at another node, and not at this one. */
function foreigner(): TestUser {
  const { userId, deviceId, token } = contract.bob
  return new TestUser(contract.home, { user_id: userId, device_id: deviceId, access_token: token })
}

async function stillServes(): Promise<void> {
  const { alice, carol, roomId, world } = contract
  // What was borne may have been an order of the owner, or of carol herself.
  for (const [name, restriction] of [
    ['lock', 'locked'],
    ['suspend', 'suspended'],
  ] as const)
    await alice.ok('PUT', `/_matrix/client/v1/admin/${name}/${encodeURIComponent(carol.userId)}`, { [restriction]: false })
  await world.finish(carol.ok('POST', `/join/${encodeURIComponent(roomId)}`))
  expect(await world.finish(alice.ok('GET', '/account/whoami'))).toMatchObject({ user_id: alice.userId })
  expect(await world.finish(carol.say(roomId, 'still here'))).toMatch(/^\$/)
}
