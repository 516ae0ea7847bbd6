import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { HttpAppServiceClient } from './http-app-service-client.ts'

const never = new AbortController().signal

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a service on this machine is called with its token, and what it answers is read', async () => {
  await using service = await serve((request, response) => {
    response.writeHead(201).end(JSON.stringify({ method: request.method, token: request.headers.authorization }))
  })
  await using client = new HttpAppServiceClient()
  const answer = await client.request({ method: 'PUT', url: service.url, token: 't', body: { a: 1 } }, never)
  expect(answer).toMatchObject({ kind: 'answered', status: 201, body: { method: 'PUT', token: 'Bearer t' } })
})

test('redirects are not followed: the token is for nobody else', async () => {
  await using service = await serve((_request, response) => {
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
  })
  await using client = new HttpAppServiceClient()
  expect(await client.request({ method: 'GET', url: service.url, token: 't' }, never)).toMatchObject({ kind: 'answered', status: 302 })
})

test('nothing is asked before the node can be asked back', async () => {
  let asked = 0
  await using service = await serve((_request, response) => {
    asked += 1
    response.end('{}')
  })
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  await using client = new HttpAppServiceClient({ ready })
  const stopping = new AbortController()
  const call = { method: 'GET', url: service.url, token: 't' } as const
  const [answered, stopped] = [client.request(call, never), client.request(call, stopping.signal)]
  stopping.abort(new Error('stopped'))
  await expect(stopped).rejects.toThrow('stopped')
  expect(asked).toBe(0)
  resolve()
  expect(await answered).toMatchObject({ kind: 'answered', status: 200 })
  expect(asked).toBe(1)
})

test('a service that is silent, away, or says too much holds nobody up', async () => {
  await using silent = await serve(() => undefined)
  await using long = await serve((_request, response) => response.end('x'.repeat(2 * 1024 * 1024)))
  await using impatient = new HttpAppServiceClient({ timeoutMs: 200 })
  await using client = new HttpAppServiceClient()
  const call = { method: 'GET', token: 't' } as const
  expect(await impatient.request({ ...call, url: silent.url }, never)).toEqual({ kind: 'timed-out' })
  expect(await client.request({ ...call, url: long.url }, never)).toMatchObject({ kind: 'answered', body: undefined, text: '' })
  const { url } = silent
  await silent[Symbol.asyncDispose]()
  expect(await client.request({ ...call, url }, never)).toMatchObject({ kind: 'unreachable' })
  await expect(client.request({ ...call, url: long.url }, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped')
})
