import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Endpoint } from '../src/client-api/endpoint.ts'
import { endpoints } from '../src/client-api/endpoints/index.ts'
import { Router } from '../src/client-api/router.ts'
import { callAll } from './client-calls/all.test-support.ts'
import { loadEventContents, type Operation } from './openapi.test-support.ts'
import { ClientContract } from './client-contract.test-support.ts'
import { type ClientExchange, problemsOfClientResponse } from './client-exchange-checks.test-support.ts'
import {
  coverageTable,
  endpointOf,
  otherPaths,
  pending,
  problemsOfRoutes,
  problemsOfCoverage,
  proposedNames,
  unsupportedOperations,
} from './client-coverage.test-support.ts'

/** The data names so many. A different number is a reason to look what is new. */
const OPERATIONS_COUNT = 166
/** Types of events whose contents the nodes make or put together themselves, or that every client reads: each must be shown somewhere. */
const SHOWN_TYPES = [
  'm.fully_read',
  'm.presence',
  'm.push_rules',
  'm.reaction',
  'm.receipt',
  'm.room.canonical_alias',
  'm.room.create',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
  'm.room.member',
  'm.room.message',
  'm.room.name',
  'm.room.power_levels',
  'm.room.redaction',
  'm.room.tombstone',
  'm.room.topic',
  'm.space.child',
  'm.tag',
  'm.typing',
]
/** `/_matrix/client/v3`, with what is before its first slash. */
const VERSION_STEPS = 4

const contract = new ClientContract()
const { operations } = contract
const unsupported = unsupportedOperations()
const router = new Router(endpoints)
const others = otherPaths(operations)
const stablePaths = new Set(endpoints.flatMap(({ paths }) => paths).filter((path) => !others.some((other) => other.path === path)))
const unknownEndpoint = 'Unknown endpoint'

beforeAll(async () => {
  await contract.begin()
  await callAll(contract)
})

afterAll(async () => {
  process.stdout.write(`${coverageTable(operations, contract.exchanges)}\n`)
  await contract[Symbol.asyncDispose]()
})

describe('the client-server API of the specification', () => {
  test('is what the data has', () => {
    expect(operations).toHaveLength(OPERATIONS_COUNT)
    expect(new Set(operations.map(({ id }) => id)).size).toBe(OPERATIONS_COUNT)
  })

  test('has a route for every operation but those that are said to wait', () => {
    expect(problemsOfRoutes(operations, endpoints, pending)).toEqual([])
  })

  test.each(operations.filter(({ id }) => !pending.has(id)).map(({ id }) => [id] as const))(
    '%s: asked and answered as the data says',
    (id) => {
      const exchanges = contract.exchanges.filter(({ operation }) => operation.id === id)
      const row = unsupported.find(({ operation }) => operation === id)
      expect([...contract.problemsOf(id), ...problemsOfCoverage(exchanges, row)]).toEqual([])
    },
  )

  test('is unsupported where the documentation says so, and nowhere else', () => {
    expect(unsupported.length).toBeGreaterThan(0)
    for (const { operation, reason } of unsupported) {
      expect(operations.map(({ id }) => id)).toContain(operation)
      expect(reason.length).toBeGreaterThan(3)
    }
  })

  test('is found below its older names too', () => {
    const stable = operations.filter(({ id, path }) => path.startsWith('/_matrix/client/v3/') && !pending.has(id))
    const without = stable.filter((operation) => endpointOf({ ...operation, path: operation.path.replace('/v3/', '/r0/') }) === undefined)
    expect(without.map(({ id }) => id)).toEqual([])
  })

  test('is found below the names that it had as proposals', () => {
    const unstable = others.filter(
      ({ endpoint, path }) => path.includes('/unstable/') && endpoint.paths.some((name) => stablePaths.has(name)),
    )
    expect(unstable.map(({ endpoint, path }) => `${endpoint.method} ${path}`).toSorted()).toEqual(proposedNames.toSorted())
  })

  test.each(others.map(({ endpoint, path }) => [`${endpoint.method} ${path}`, endpoint, path] as const))(
    '%s resolves',
    async (_name, endpoint, path) => {
      const route = router.find(endpoint.method, concrete(path))
      expect(route.kind === 'found' ? route.endpoint : route.kind).toBe(endpoint)
      const answer = await answerAt(endpoint, path)
      for (const other of endpoint.paths.filter((name) => name !== path))
        expect([other, await answerAt(endpoint, other)]).toEqual([other, answer])
      expect(answer.error).not.toBe(unknownEndpoint)
      expect(answer.status).not.toBe(405)
    },
  )

  test('says so of what it does not know, in these words', async () => {
    for (const { endpoint, path } of others) {
      const nowhere = await answerAt(endpoint, `${path}/no/such/place`)
      expect([path, nowhere]).toEqual([path, { status: 404, error: unknownEndpoint }])
    }
  })

  test('reads the same below its other names', async () => {
    const compared: string[] = []
    for (const operation of operations) {
      const read = contract.exchanges.findLast((exchange) => exchange.operation === operation && isRepeatable(exchange))
      if (read === undefined) continue
      const { asker } = read
      // What was there then may be gone by now.
      const now = await contract.send(asker, operation, `${read.url.pathname}${read.url.search}`, {})
      for (const url of otherUrls(operation, read.url)) {
        const again = await contract.send(asker, operation, url, {})
        expect([url, again.status, ...problemsOfClientResponse(operation, again)]).toEqual([url, now.status])
        compared.push(operation.id)
      }
    }
    // Whatever is read and has several names, but what a personal node does not offer.
    const due = operations.filter((operation) => operation.method === 'GET' && (endpointOf(operation)?.paths.length ?? 0) > 1)
    expect([...new Set(compared)]).toEqual(due.map(({ id }) => id).filter((id) => !unsupported.some((row) => row.operation === id)))
  })

  test('shows events whose content is what the data says of their type', () => {
    const contents = loadEventContents()
    const events = contract.exchanges.flatMap(({ responseBody }) => eventsIn(responseBody))
    const problems = events.flatMap(({ type, content }) => (contents.get(type)?.(content) ?? []).map((problem) => `${type}${problem}`))
    expect([...new Set(problems)]).toEqual([])
    const types = new Set(events.map(({ type }) => type).filter((type) => contents.has(type)))
    process.stdout.write(`contents of ${types.size} types of events: ${[...types].toSorted().join(' ')}\n`)
    expect(SHOWN_TYPES.filter((type) => !types.has(type))).toEqual([])
  })

  test('nothing went wrong inside', () => {
    expect(contract.errorsLogged).toEqual([])
  })
})

/** Of nobody, so that what the path is for does not matter. */
async function answerAt({ method }: Endpoint, path: string): Promise<{ readonly status: number; readonly error: unknown }> {
  const url = `http://node.test${concrete(path)}`
  const answer = await contract.world.finish(contract.home.clientApi(new Request(url, { method })))
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true
  return { status: answer.status, error: isJson ? (JSON.parse(text) as { error?: unknown }).error : undefined }
}

function concrete(path: string): string {
  return path.replaceAll(/:\w+/g, 'x')
}

/** A read by somebody who is still there. */
function isRepeatable({ method, status, asker }: ClientExchange): boolean {
  return method === 'GET' && status === 200 && [contract.home, contract.alice, contract.carol, contract.bob].includes(asker)
}

/** The same request below every path of the operation's endpoint: they end alike and begin with other versions. */
function otherUrls(operation: Operation, url: URL): string[] {
  const own = operation.path.split('/').length - VERSION_STEPS
  const end = url.pathname.split('/').slice(-own).join('/')
  const paths = endpointOf(operation)?.paths ?? []
  return paths.length < 2 ? [] : paths.map((path) => `${path.split('/').slice(0, -own).join('/')}/${end}${url.search}`)
}

interface ShownEvent {
  readonly type: string
  readonly content: object
}

/** Everything in an answer that is an event, but for those that a redaction emptied. */
function eventsIn(value: unknown): ShownEvent[] {
  if (typeof value !== 'object' || value === null) return []
  const { type, content, unsigned } = value as { type?: unknown; content?: unknown; unsigned?: { redacted_because?: unknown } }
  const isEvent = typeof type === 'string' && typeof content === 'object' && content !== null && unsigned?.redacted_because === undefined
  return [...(isEvent ? [{ type, content }] : []), ...Object.values(value).flatMap(eventsIn)]
}
