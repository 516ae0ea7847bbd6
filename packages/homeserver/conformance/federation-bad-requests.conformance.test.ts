import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { badRequests, type BadRequest, type Example } from './bad-requests.test-support.ts'
import { Conversation } from './conversation.test-support.ts'
import { findOperations, problemsOfResponse } from './exchange-checks.test-support.ts'
import { checkError, loadOperations, type Operation } from './openapi.test-support.ts'
import type { RecordedExchange } from './recorded-network.test-support.ts'

const RUNS = 60
const TOO_LARGE = `{"a":"${'x'.repeat(17 * 1024 * 1024)}"}`

const operations = loadOperations()
const conversation = new Conversation()
let commits = 0
let errorsLogged: string[] = []

beforeAll(async () => {
  const { home } = conversation
  home.log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: (message) => errorsLogged.push(message) }
  await conversation.begin()
  await conversation.speak()
  await conversation.speakByHand()
  await conversation.world.run(300_000)
  home.storageFault = () => void commits++
  errorsLogged = []
})

afterAll(async () => conversation[Symbol.asyncDispose]())

/** As somebody who is in the room, or as somebody whom nobody knows. */
async function send(request: BadRequest, isStranger: boolean): Promise<RecordedExchange> {
  const { world, away, home, network } = conversation
  const stranger = (strangerIdentity ??= world.createIdentity())
  return network.askWithText(world, isStranger ? stranger : away.identity, home.identity.server, request)
}

let strangerIdentity: ReturnType<typeof conversation.world.createIdentity> | undefined

/** The last request of the operation that was answered to bob's server by alice's. */
function exampleOf(operation: Operation): Example {
  const { exchanges } = conversation.network
  const right = exchanges.findLast(
    ({ method, url, status }) => status < 400 && findOperations([operation], method, url.pathname).length > 0,
  )
  const { url, requestBody } = right ?? { url: new URL(`https://x${operation.path}`), requestBody: {} }
  return { operation, path: url.pathname, query: url.searchParams, body: requestBody }
}

/** Every refusal is the sender's fault, says so in the form of Matrix, and leaves nothing behind. */
function problemsOf(operation: Operation, exchange: RecordedExchange, stored: number): string[] {
  const { status, responseBody } = exchange
  if (status < 400) {
    const [answered] = findOperations([operation], exchange.method, exchange.url.pathname)
    return answered === undefined ? [] : problemsOfResponse(answered, exchange)
  }
  const errcode = checkError(responseBody).length === 0 ? (responseBody as { errcode: string }).errcode : ''
  return [
    ...(status < 500 ? [] : [`a fault of ours: ${status}`]),
    ...(/^M_[A-Z_0-9]+$/.test(errcode) ? [] : ['no error of Matrix']),
    ...(stored === 0 ? [] : [`stored ${stored} times`]),
  ]
}

describe('whatever other servers send', () => {
  test.each(operations.map((operation) => [operation.id, operation] as const))('%s', async (_id, operation) => {
    const example = exampleOf(operation)
    await fc.assert(
      fc.asyncProperty(badRequests(example), fc.boolean(), async (request, isStranger) => {
        const before = commits
        const exchange = await send(request, isStranger)
        const stored = commits - before
        expect(problemsOf(operation, exchange, stored)).toEqual([])
        expect(errorsLogged).toEqual([])
        // What follows from a request that was no harm, or right after all, is done before the next.
        if (exchange.status < 400) await conversation.world.run(60_000)
      }),
      { numRuns: RUNS },
    )
    expect((await conversation.ask('GET', '/_matrix/federation/v1/version')).status).toBe(200)
  })

  test.each(
    operations.filter(({ checkRequestBody }) => checkRequestBody !== undefined).map((operation) => [operation.id, operation] as const),
  )('%s with a body that is too large', async (id, operation) => {
    if (id === 'askPolicyServerToSign') return
    const { path, query } = exampleOf(operation)
    const url = `${path}${query.size === 0 ? '' : `?${query.toString()}`}`
    const exchange = await send({ what: 'the size', method: operation.method, path: url, body: TOO_LARGE }, false)
    expect([exchange.status, (exchange.responseBody as { errcode: unknown }).errcode]).toEqual([413, 'M_TOO_LARGE'])
  })

  test.each([
    ['a fault of ours: 500', { status: 500, responseBody: { errcode: 'M_UNKNOWN', error: 'Internal error' } }, 0],
    ['no error of Matrix', { status: 404, responseBody: 'Not found' }, 0],
    ['no error of Matrix', { status: 400, responseBody: { error: 'no' } }, 0],
    ['no error of Matrix', { status: 400, responseBody: { errcode: 'nope' } }, 0],
    ['stored 1 times', { status: 400, responseBody: { errcode: 'M_BAD_JSON' } }, 1],
  ])('a planted answer is noticed: %s', (problem, answer, stored) => {
    const [operation] = operations
    const [exchange] = conversation.network.exchanges
    if (operation === undefined || exchange === undefined) throw new Error('Nothing was said')
    expect(problemsOf(operation, { ...exchange, ...answer }, stored)).toEqual([problem])
  })

  test('clients are served all the while', async () => {
    conversation.home.storageFault = undefined
    expect(await conversation.alice.say(conversation.roomId, 'still here')).toMatch(/^\$/)
    expect(errorsLogged).toEqual([])
  })
})
