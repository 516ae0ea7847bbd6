import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fetchFromNode } from './fetch-from-node.ts'
import { nodePortLimits } from './limits.ts'
import type { NodeState } from './messages.ts'
import { NodeConnection } from './node-connection.ts'
import { toPlainRequest } from './plain-http.ts'
import { NodePorts, type AnswerRequest } from './serve-node-ports.ts'

const origin = 'http://kith.test'
const forever = new AbortController().signal
const opened: MessagePort[] = []

afterEach(() => {
  vi.useRealTimers()
  for (const port of opened.splice(0)) port.close()
})

/** A node with one connection to it, as a tab has it. */
function connect(answer: AnswerRequest) {
  const node = new NodePorts()
  const states: NodeState[] = []
  const connection = new NodeConnection({ onState: (state) => states.push(state) })
  const plug = (to = node) => {
    const { port1, port2 } = new MessageChannel()
    opened.push(port1, port2)
    to.attach(port2)
    return connection.use(port1)
  }
  plug()
  const send = async (path: string, init: RequestInit = {}) => {
    const request = new Request(origin + path, init)
    // Not the signal of the request: in Node it tells nothing any more once the request itself is collected.
    return fetchFromNode(await toPlainRequest(request), (signal) => connection.ready(signal), init.signal ?? forever)
  }
  return { node, states, connection, plug, send, ready: () => node.ready('k51test', answer) }
}

const echo: AnswerRequest = async (request) =>
  new Response(await request.arrayBuffer(), { status: 201, headers: { 'x-method': request.method, 'x-url': request.url } })

/** An answer that never comes; tells when the request has reached the node, and when the node heard that nobody waits any more. */
function hold() {
  const arrival = Promise.withResolvers<void>()
  const ending = Promise.withResolvers<void>()
  const held: AnswerRequest = async (request) => {
    const { promise, reject } = Promise.withResolvers<Response>()
    request.signal.addEventListener('abort', () => {
      ending.resolve()
      reject(request.signal.reason)
    })
    arrival.resolve()
    return promise
  }
  return { held, arrived: arrival.promise, aborted: ending.promise }
}

/** What a promise was rejected with; taken at once, because nobody may look at it before. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

test('requests and responses keep method, URL, headers, status and the bytes of their bodies', async () => {
  const { send, ready } = connect(echo)
  ready()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('PUT', 'POST', 'DELETE'),
      fc.webPath(),
      fc.uint8Array({ maxLength: 5_000 }),
      async (method, path, body) => {
        const url = new URL(`/_matrix${path}`, origin)
        const response = await send(url.pathname + url.search, { method, body: Uint8Array.from(body) })
        expect(response.status).toBe(201)
        expect(response.headers.get('x-method')).toBe(method)
        expect(response.headers.get('x-url')).toBe(url.href)
        expect(new Uint8Array(await response.arrayBuffer())).toEqual(Uint8Array.from(body))
      },
    ),
    { numRuns: 50 },
  )
})

test('concurrent requests get their own answers, in any order', async () => {
  const { send, ready } = connect(async (request) => {
    const number = Number(new URL(request.url).searchParams.get('number'))
    await new Promise((resolve) => setTimeout(resolve, 30 - number))
    return new Response(String(number))
  })
  ready()
  const numbers = Array.from({ length: 30 }, (_, number) => number)
  const answers = await Promise.all(numbers.map(async (number) => (await send(`/?number=${number}`)).text()))
  expect(answers).toEqual(numbers.map(String))
})

test('a request waits until the node is ready, and the steps are told on the way', async () => {
  const { node, states, send, ready } = connect(echo)
  const answer = send('/')
  node.report({ kind: 'starting', step: 'opening-storage' })
  await expect.poll(() => states).toHaveLength(2)
  ready()
  expect((await answer).status).toBe(201)
  expect(states).toEqual([
    { kind: 'starting', step: 'loading' },
    { kind: 'starting', step: 'opening-storage' },
    { kind: 'ready', serverName: 'k51test' },
  ])
})

test('a node that could not start fails what waits for it, with its sentence', async () => {
  const { node, send } = connect(echo)
  const answer = send('/')
  node.report({ kind: 'failed', message: 'No room', whatToDo: 'Make room' })
  await expect(answer).rejects.toThrow('No room')
})

test('an aborted request fails at once, and the node hears of it', async () => {
  const { held, arrived, aborted } = hold()
  const { send, ready } = connect(held)
  ready()
  const aborting = new AbortController()
  const answer = send('/', { signal: aborting.signal })
  const rejection = failureOf(answer)
  await arrived
  aborting.abort(new Error('enough'))
  expect(await rejection).toHaveProperty('message', 'enough')
  await aborted
})

test('an answer that throws becomes a Matrix error, and an unreadable request too', async () => {
  const { send, ready } = connect(async () => Promise.reject(new Error('bug')))
  ready()
  const response = await send('/')
  expect(response.status).toBe(500)
  expect(await response.json()).toMatchObject({ errcode: 'M_UNKNOWN' })
})

describe('when the connection is lost', () => {
  test.each([
    ['GET', '/_matrix/client/v3/sync'],
    ['PUT', '/_matrix/client/v3/rooms/a/send/m.room.message/txn'],
    ['POST', '/_matrix/client/v3/keys/query'],
  ])('%s %s moves to the next one', async (method, path) => {
    const { held, arrived } = hold()
    const { plug, send, ready } = connect(held)
    ready()
    const answer = send(path, { method, ...(method === 'GET' ? {} : { body: '{"a":1}' }) })
    await arrived
    const next = new NodePorts()
    plug(next)
    next.ready('k51test', echo)
    const response = await answer
    expect(response.status).toBe(201)
    expect(await response.text()).toBe(method === 'GET' ? '' : '{"a":1}')
  })

  test('POST of a room fails like a network error: it may have been made', async () => {
    const { held, arrived } = hold()
    const { plug, send, ready } = connect(held)
    ready()
    const answer = send('/_matrix/client/v3/createRoom', { method: 'POST' })
    const rejection = failureOf(answer)
    await arrived
    plug(new NodePorts())
    expect(await rejection).toBeInstanceOf(TypeError)
  })

  test('the node stops what it was doing for it', async () => {
    const { held, arrived, aborted } = hold()
    const { connection, send, ready } = connect(held)
    ready()
    const answer = send('/createRoom', { method: 'POST' })
    const rejection = failureOf(answer)
    await arrived
    connection.drop()
    expect(await rejection).toBeInstanceOf(TypeError)
    await aborted
  })
})

test('a node that falls silent counts as lost', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const connection = new NodeConnection()
  const { port1, port2 } = new MessageChannel()
  opened.push(port1, port2)
  const client = connection.use(port1)
  port2.postMessage({ kind: 'state', state: { kind: 'ready', serverName: 'k51test' } })
  await connection.ready(forever)
  const answer = client.request({ method: 'POST', url: `${origin}/`, headers: [], body: undefined }, forever)
  const rejection = failureOf(answer)
  vi.advanceTimersByTime(nodePortLimits.livenessCheckMs * (nodePortLimits.silentChecksMax + 1))
  expect(await rejection).toHaveProperty('name', 'NodeConnectionLostError')
})

test('a node answers 429 to more requests at a time than it allows', async () => {
  const node = new NodePorts()
  const { port1, port2 } = new MessageChannel()
  opened.push(port1, port2)
  node.attach(port2)
  node.ready('k51test', hold().held)
  const request = { method: 'GET', url: `${origin}/`, headers: [] }
  for (let id = 0; id <= nodePortLimits.requestsInFlightMax; id += 1) port1.postMessage({ kind: 'request', id, request })
  const { promise, resolve } = Promise.withResolvers<unknown>()
  port1.addEventListener('message', ({ data }: MessageEvent<{ kind: string }>) => {
    if (data.kind === 'response') resolve(data)
  })
  port1.start()
  expect(await promise).toMatchObject({ id: nodePortLimits.requestsInFlightMax, response: { status: 429 } })
})

test('a node takes only so many ports', async () => {
  const node = new NodePorts()
  let last: MessagePort | undefined
  for (let index = 0; index <= nodePortLimits.portsMax; index += 1) {
    const { port1, port2 } = new MessageChannel()
    opened.push(port1, port2)
    node.attach(port2)
    last = port1
  }
  const { promise, resolve } = Promise.withResolvers<unknown>()
  last?.addEventListener('message', ({ data }: MessageEvent<unknown>) => resolve(data))
  last?.start()
  expect(await promise).toEqual({ kind: 'close' })
})
