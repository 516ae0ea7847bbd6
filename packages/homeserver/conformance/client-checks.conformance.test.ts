import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { endpoints } from '../src/client-api/endpoints/index.ts'
import { ClientContract } from './client-contract.test-support.ts'
import { coverageTable, endpointOf, problemsOfCoverage, problemsOfRoutes } from './client-coverage.test-support.ts'
import { type ClientExchange, problemsOfClientResponse } from './client-exchange-checks.test-support.ts'
import { problemsOfAnswer } from './client-wrong-request.test-support.ts'
import { loadEventContents } from './openapi.test-support.ts'
import { problemsOfRequest } from './exchange-checks.test-support.ts'

/** What the contract run would say if Kith did wrong: each check is shown a fault that it is there for. */

const contract = new ClientContract()
const { operations } = contract
let right: ClientExchange

beforeAll(async () => {
  await contract.begin()
  await contract.ask(contract.alice, 'getDevices')
  const exchange = contract.exchanges.at(-1)
  if (exchange === undefined) throw new Error('Nothing was asked')
  right = exchange
})

afterAll(async () => contract[Symbol.asyncDispose]())

function withHeader(name: string, value: string | undefined): Headers {
  const headers = new Headers(right.headers)
  if (value === undefined) headers.delete(name)
  else headers.set(name, value)
  return headers
}

const fault = { errcode: 'M_UNKNOWN', error: 'Internal error' }

describe('a planted answer is noticed', () => {
  test('the right one has no fault', () => {
    expect(problemsOfClientResponse(right.operation, right)).toEqual([])
  })

  test.each<readonly [string, () => Partial<ClientExchange>, RegExp]>([
    ['a member is of another type', () => ({ responseBody: { devices: 'none' } }), /answer\/devices must be array/],
    ['a member of a member is missing', () => ({ responseBody: { devices: [{}] } }), /required property 'device_id'/],
    ['a status that the operation has not', () => ({ status: 201 }), /the status 201 is not one of the operation/],
    ['a fault of the node', () => ({ status: 500, responseBody: fault }), /a fault of ours: 500/],
    ['a gateway that is none', () => ({ status: 502, responseBody: fault }), /a fault of ours: 502/],
    ['an error without an errcode', () => ({ status: 400, responseBody: { error: 'no' } }), /required property 'errcode'/],
    ['an errcode that is none', () => ({ status: 400, responseBody: { errcode: 'M_OOPS', error: 'no' } }), /M_OOPS is no errcode/],
    [
      'a fixed limit that looks like one that passes',
      () => ({ status: 400, responseBody: { errcode: 'M_LIMIT_EXCEEDED', error: 'Too many' } }),
      /M_LIMIT_EXCEEDED with the status 400/,
    ],
    ['an error that says nothing', () => ({ status: 400, responseBody: { errcode: 'M_UNKNOWN' } }), /says nothing to people/],
    ['an error that is no JSON', () => ({ status: 404, contentType: 'text/html', responseBody: '<h1>' }), /the error is text\/html/],
    ['an answer of another kind', () => ({ contentType: 'text/plain' }), /the answer is text\/plain/],
    ['an answer that no page may read', () => ({ headers: withHeader('access-control-allow-origin', undefined) }), /no page may read/],
    ['a stack', () => ({ text: '{"error":"Error: x\\n    at f (rooms.ts:1:2)"}' }), /shows a stack/],
  ])('%s', (_name, planted, problem) => {
    expect(problemsOfClientResponse(right.operation, { ...right, ...planted() }).join('\n')).toMatch(problem)
  })

  test('an event with another content than its type has', () => {
    const check = loadEventContents().get('m.room.member')
    expect(check?.({ membership: 'join' })).toEqual([])
    expect(check?.({})).not.toEqual([])
    expect(check?.({ membership: 'away' })).not.toEqual([])
  })

  test('a file without its headers', () => {
    const operation = contract.operation('getContentAuthed')
    const file = { ...right, operation, contentType: 'image/png', responseBody: '', text: '' }
    expect(problemsOfClientResponse(operation, { ...file, headers: withHeader('content-disposition', 'inline') })).toEqual([])
    expect(problemsOfClientResponse(operation, file)).toEqual(['content-disposition is missing'])
  })

  test('a challenge without its ways', () => {
    const operation = contract.operation('deleteDevices')
    const answer = { ...right, operation, status: 401 }
    const flows = [{ stages: ['m.login.password'] }]
    expect(problemsOfClientResponse(operation, { ...answer, responseBody: { flows, session: 'x', params: {} } })).toEqual([])
    expect(problemsOfClientResponse(operation, { ...answer, responseBody: { flows: 'none' } })).not.toEqual([])
    expect(problemsOfClientResponse(operation, { ...answer, responseBody: {} })).not.toEqual([])
  })

  test('a wrong request that is borne where it must not be, or refused in other words', () => {
    const request = { what: 'the body is {', expected: ['400 M_NOT_JSON'] }
    const answers = [200, 400, 500].map((status) => problemsOfAnswer(right.operation, request, { ...right, status, responseBody: fault }))
    expect(answers.map((problems) => problems.some((problem) => problem.endsWith('another answer is due')))).toEqual([true, true, true])
    const refused = { ...right, status: 400, responseBody: { errcode: 'M_NOT_JSON', error: 'no' } }
    expect(problemsOfAnswer(right.operation, request, refused)).toEqual([])
    const borne = { ...right, status: 500, responseBody: fault }
    expect(problemsOfAnswer(right.operation, { ...request, expected: undefined }, borne)).toEqual([
      'the body is {: 500 M_UNKNOWN: a fault of ours: 500',
    ])
  })
})

describe('a planted request is noticed', () => {
  const url = (path: string): URL => new URL(path, 'http://node.test')

  test.each<readonly [string, string, URL, unknown, RegExp]>([
    ['a member is missing', 'login', url('/_matrix/client/v3/login'), {}, /required property 'type'/],
    ['a member is of another type', 'createRoom', url('/_matrix/client/v3/createRoom'), { name: 7 }, /body\/name must be string/],
    ['a query without what it needs', 'getRoomEvents', url('/_matrix/client/v3/rooms/!a:b/messages'), undefined, /dir is missing/],
    ['a query with another word', 'getRoomEvents', url('/_matrix/client/v3/rooms/!a:b/messages?dir=x'), undefined, /dir must be equal/],
    ['an id that is none', 'getRoomState', url('/_matrix/client/v3/rooms/a/state'), undefined, /roomId must match format/],
  ])('%s', (_name, id, planted, requestBody, problem) => {
    expect(problemsOfRequest(contract.operation(id), { url: planted, requestBody }).join('\n')).toMatch(problem)
  })

  test('the contract keeps what is wrong on either side, and another status than the one that is due', async () => {
    await contract.ask(contract.alice, 'createRoom', { body: { preset: 'none' } }, 200)
    const problems = contract.problemsOf('createRoom').join('\n')
    expect(problems).toMatch(/body\/preset must be equal to one of the allowed values/)
    expect(problems).toMatch(/expected 200, got .*M_BAD_JSON/)
    expect(contract.problemsOf('getDevices')).toEqual([])
  })
})

describe('a planted gap is noticed', () => {
  const row = { operation: 'getDevices', status: 404, errcode: 'M_NOT_FOUND', reason: 'planted' }

  test('an operation that never succeeded, and one that is supported after all', () => {
    expect(problemsOfCoverage([], undefined)).toEqual(['no success was seen'])
    expect(problemsOfCoverage([{ ...right, status: 404 }], undefined)).toEqual(['no success was seen'])
    expect(problemsOfCoverage([{ ...right, status: 204 }], undefined)).toEqual(['no success was seen'])
    expect(problemsOfCoverage([right], undefined)).toEqual([])
    expect(problemsOfCoverage([right], row)).toEqual(['is supported after all', '404 M_NOT_FOUND was not seen'])
    expect(problemsOfCoverage([{ ...right, status: 404, responseBody: { errcode: 'M_NOT_FOUND' } }], row)).toEqual([])
  })

  test('an operation that was not called: the table says how many were, and with which answers', () => {
    const lines = coverageTable(operations, [right, { ...right, status: 418 }]).split('\n')
    expect(lines.at(-1)).toContain(`1 of ${operations.length} operations called`)
    expect(lines.find((line) => line.startsWith('getDevices '))).toMatch(/^getDevices +200 418\* +GET /)
    expect(lines.find((line) => line.startsWith('login '))).toMatch(/^login +POST /)
  })

  test('an operation without a route, and one that waits for a route that it has', () => {
    const without = endpoints.filter((endpoint) => endpoint !== endpointOf(right.operation))
    const others = new Set(operations.filter((operation) => endpointOf(operation) === undefined).map(({ id }) => id))
    expect(problemsOfRoutes(operations, without, others)).toEqual(['getDevices has no route'])
    expect(problemsOfRoutes(operations, endpoints, new Set([...others, 'getDevices']))).toEqual([
      'getDevices has a route and must be called',
    ])
  })
})
