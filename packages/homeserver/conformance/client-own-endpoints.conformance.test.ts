import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { badRequests, type BadRequest, type Example } from './bad-requests.test-support.ts'
import { ClientContract } from './client-contract.test-support.ts'
import { type ClientExchange, problemsOfForm } from './client-exchange-checks.test-support.ts'
import { bodyOf, urlOf } from './client-wrong-request.test-support.ts'
import type { Operation } from './openapi.test-support.ts'
import { exampleOf, nameOf, ownEndpoints, ownRequests } from './own-requests.test-support.ts'

/** Wrong requests to each endpoint; a body has many places to be wrong in. */
const RUNS = 100
const RUNS_WITH_BODY = 500
/** Answered with a page for people, whatever was asked. */
const pages = /\/fallback\/web$/
/** Errcodes of proposals. */
const unspecified = /^M_UNKNOWN_POS is no errcode of the specification$/

const contract = new ClientContract()
const own = ownEndpoints(contract.operations)

beforeAll(async () => {
  await contract.begin()
})

afterAll(async () => contract[Symbol.asyncDispose]())

async function send(operation: Operation, { method, path, body }: Pick<BadRequest, 'method' | 'path' | 'body'>): Promise<ClientExchange> {
  const headers = { authorization: `Bearer ${contract.alice.token}`, 'content-type': 'application/json' }
  const sent = body === undefined || method === 'GET' || method === 'HEAD' ? {} : { body }
  return contract.sendRequest(contract.alice, operation, new Request(`http://node.test${path}`, { method, headers, ...sent }), body)
}

async function statusOfRight(example: Example): Promise<number> {
  const { operation, path, query } = example
  return (await send(operation, { method: operation.method, path: urlOf(path, query), ...bodyOf(example) })).status
}

describe('what the data does not have', () => {
  test('is known by a right request, and nothing else is', () => {
    expect(Object.keys(ownRequests).toSorted()).toEqual(own.map(nameOf).toSorted())
  })

  test.each(own.map((endpoint) => [nameOf(endpoint), endpoint] as const))('%s: right, and wrong in any way', async (name, endpoint) => {
    const prepare = ownRequests[name]
    if (prepare === undefined) throw new Error(`Nobody says how to ask ${name}`)
    const example = exampleOf(contract, endpoint, await prepare(contract))
    const { operation, body } = example
    expect(await statusOfRight(example)).toBe(200)
    await fc.assert(
      fc.asyncProperty(badRequests(example), async (wrong) => {
        const exchange = await send(operation, wrong)
        const isPage = pages.test(operation.path) && exchange.contentType.startsWith('text/html')
        const problems = problemsOfForm(operation, exchange).filter((problem) => !unspecified.test(problem))
        expect(problems.filter((problem) => !isPage || problem !== `the error is ${exchange.contentType}`)).toEqual([])
        expect(contract.errorsLogged.splice(0)).toEqual([])
      }),
      { numRuns: body === undefined ? RUNS : RUNS_WITH_BODY },
    )
    // After all of it the endpoint answers as before.
    expect(await statusOfRight(exampleOf(contract, endpoint, await prepare(contract)))).toBe(200)
  })
})
