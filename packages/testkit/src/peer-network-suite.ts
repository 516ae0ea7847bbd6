import { PeerUnreachableError, type PeerNetwork, type PeerRequestHandler } from '@kith/homeserver/ports'
import { serverNameFromPublicKey, type ServerName } from '@kith/matrix-protocol'
import { describe, expect, test, vi } from 'vitest'

export interface NetworkPeer {
  readonly network: PeerNetwork
  readonly server: ServerName
}

/** Two started networks. `asker` has learned how to reach `answerer`; the answerer knows nothing of the asker. */
export interface NetworkPair extends AsyncDisposable {
  readonly asker: NetworkPeer
  readonly answerer: NetworkPeer
  /** The answerer dies. */
  kill(): Promise<void>
}

export interface PairHandlers {
  readonly asker: PeerRequestHandler
  readonly answerer: PeerRequestHandler
}

export type OpenPair = (handlers: PairHandlers) => Promise<NetworkPair>

const TEST_MS_MAX = 120_000
/** A pending request must fail within this time after its peer died silently. */
const DEATH_NOTICED_MS_MAX = 8_000
/** For what only has to happen. */
const PATIENCE_MS = TEST_MS_MAX / 4
const PRODUCED_MAX = 8 * 1024 * 1024

/** Everything that the PeerNetwork port promises, run over one kind of network. */
export function peerNetworkSuite(name: string, openPair: OpenPair): void {
  describe(`${name} keeps the promises of the peer network port`, { timeout: TEST_MS_MAX }, () => {
    describe('requests', () => {
      requestCases(openPair)
    })
    describe('bodies', () => {
      bodyCases(openPair)
    })
    describe('endings', () => {
      endingCases(openPair)
    })
    describe('views', () => {
      viewCases(openPair)
    })
  })
}

function requestCases(openPair: OpenPair): void {
  test('method, path, query, headers and body arrive, and so does the answer', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    const request = requestTo(pair.answerer, '/_matrix/federation/v1/send/1?a=%20b&c=d', {
      method: 'PUT',
      body: '{"pdus":[]}',
      headers: { 'content-type': 'application/json', 'x-kind': 'test' },
    })
    const response = await pair.asker.network.request(pair.answerer.server, request, signal())
    expect(response.status).toBe(207)
    expect(response.headers.get('x-answer')).toBe('yes')
    expect(await response.json()).toEqual({
      origin: pair.asker.server,
      method: 'PUT',
      target: '/_matrix/federation/v1/send/1?a=%20b&c=d',
      host: pair.answerer.server,
      kind: 'test',
      contentType: 'application/json',
      body: '{"pdus":[]}',
    })
  })

  test('the one that was dialled may ask back over the same connection', async () => {
    await using pair = await openPair({ asker: mirror, answerer: mirror })
    await ask(pair.asker, pair.answerer, '/there')
    const response = await pair.answerer.network.request(pair.asker.server, requestTo(pair.asker, '/back'), signal())
    expect(await response.json()).toMatchObject({ origin: pair.answerer.server, target: '/back' })
  })

  test('many requests at once are each answered with their own answer', async () => {
    await using pair = await openPair({ asker: refuse, answerer: answerLater })
    const numbers = Array.from({ length: 300 }, (_, index) => index)
    const answers = await Promise.all(numbers.map(async (number) => (await ask(pair.asker, pair.answerer, `/${number}`)).text()))
    expect(answers).toEqual(numbers.map((number) => `/${number}`))
  })

  test('requests to one peer that start together share the way to it', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    await Promise.all(Array.from({ length: 20 }, () => ask(pair.asker, pair.answerer, '/')))
    expect(pair.asker.network.connections().filter(({ server }) => server === pair.answerer.server)).toHaveLength(1)
  })

  test('a handler that throws gives an error answer, and the network lives', async () => {
    await using pair = await openPair({ asker: refuse, answerer: throwOnce() })
    expect((await ask(pair.asker, pair.answerer, '/')).status).toBe(500)
    expect((await ask(pair.asker, pair.answerer, '/')).status).toBe(200)
  })
}

function bodyCases(openPair: OpenPair): void {
  test.each([0, 1, 65_535, 65_536, 65_537, 1_000_000, 5_000_000])('a body of %d bytes goes there and back unchanged', async (length) => {
    await using pair = await openPair({ asker: refuse, answerer: echo })
    const bytes = patternBytes(length)
    const request = requestTo(pair.answerer, '/', { method: 'POST', body: bytes })
    const response = await pair.asker.network.request(pair.answerer.server, request, signal())
    expect(equalBytes(new Uint8Array(await response.arrayBuffer()), bytes)).toBe(true)
  })

  test('several long bodies travel at once', async () => {
    await using pair = await openPair({ asker: refuse, answerer: echo })
    const lengths = [300_000, 900_000, 100_000, 2_000_000, 70_000, 400_000]
    const results = await Promise.all(
      lengths.map(async (length) => {
        const request = requestTo(pair.answerer, '/', { method: 'POST', body: patternBytes(length) })
        const response = await pair.asker.network.request(pair.answerer.server, request, signal())
        return equalBytes(new Uint8Array(await response.arrayBuffer()), patternBytes(length))
      }),
    )
    expect(results.every(Boolean)).toBe(true)
  })

  test('an answer without content has no body', async () => {
    await using pair = await openPair({ asker: refuse, answerer: async () => new Response(null, { status: 204 }) })
    const response = await ask(pair.asker, pair.answerer, '/')
    expect([response.status, await response.text()]).toEqual([204, ''])
  })

  test('a long answer is produced only as fast as it is read, and ends when it is cancelled', async () => {
    const source = endlessBody()
    await using pair = await openPair({ asker: refuse, answerer: async () => new Response(source.body) })
    const response = await ask(pair.asker, pair.answerer, '/')
    const reader = response.body?.getReader()
    await reader?.read()
    let produced: number
    do {
      produced = source.produced()
      await wait(500)
    } while (source.produced() > produced && produced < PRODUCED_MAX)
    expect(produced).toBeLessThan(PRODUCED_MAX)
    await reader?.cancel()
    await vi.waitFor(() => expect(source.cancelled()).toBe(true), PATIENCE_MS)
  })
}

function endingCases(openPair: OpenPair): void {
  test('an aborted request rejects with the reason of its signal and aborts its handler', async () => {
    const handler = endless()
    await using pair = await openPair({ asker: refuse, answerer: handler.handle })
    const controller = new AbortController()
    const answer = pair.asker.network.request(pair.answerer.server, requestTo(pair.answerer, '/'), controller.signal)
    answer.catch(() => {})
    await handler.called
    const reason = new Error('not wanted any more')
    controller.abort(reason)
    await expect(answer).rejects.toBe(reason)
    await handler.aborted
  })

  test('a signal that is already aborted is respected', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    const reason = new Error('too late')
    await expect(pair.asker.network.request(pair.answerer.server, requestTo(pair.answerer, '/'), AbortSignal.abort(reason))).rejects.toBe(
      reason,
    )
  })

  test('pending requests fail when the peer dies', async () => {
    const handler = endless()
    await using pair = await openPair({ asker: refuse, answerer: handler.handle })
    const answer = pair.asker.network.request(pair.answerer.server, requestTo(pair.answerer, '/'), signal())
    answer.catch(() => {})
    await handler.called
    const killedAt = performance.now()
    await pair.kill()
    await expect(answer).rejects.toBeInstanceOf(PeerUnreachableError)
    expect(performance.now() - killedAt).toBeLessThan(DEATH_NOTICED_MS_MAX)
  })

  test('a peer that nobody knows is unreachable', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    const stranger = serverNameFromPublicKey(new Uint8Array(32).fill(7))
    const request = new Request(`https://${stranger}/`)
    await expect(pair.asker.network.request(stranger, request, signal())).rejects.toBeInstanceOf(PeerUnreachableError)
  })

  test('unusable addresses are ignored', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    pair.asker.network.learnAddresses(pair.answerer.server, [
      '',
      'nonsense',
      '/ip4/1.2.3.4',
      `/ip4/127.0.0.1/tcp/9/p2p/${'1'.repeat(2000)}`,
    ])
    expect((await ask(pair.asker, pair.answerer, '/')).status).toBe(207)
  })
}

function viewCases(openPair: OpenPair): void {
  test('both sides see the connection, and are told when it comes and goes', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    const events: string[] = []
    const watching = new AbortController()
    pair.asker.network.watchPeers(({ kind, server }) => {
      if (server === pair.answerer.server) events.push(kind)
    }, watching.signal)
    await ask(pair.asker, pair.answerer, '/')
    const there = pair.asker.network.connections().find(({ server }) => server === pair.answerer.server)
    expect(there?.transport).toBeTypeOf('string')
    const isSeen = (): boolean => pair.answerer.network.connections().some(({ server }) => server === pair.asker.server)
    await vi.waitFor(() => expect(isSeen()).toBe(true), PATIENCE_MS)
    await pair.kill()
    await vi.waitFor(() => expect(events.at(-1)).toBe('disconnected'), DEATH_NOTICED_MS_MAX)
    expect(pair.asker.network.connections().some(({ server }) => server === pair.answerer.server)).toBe(false)
    watching.abort()
  })

  test('addresses are multiaddrs', async () => {
    await using pair = await openPair({ asker: refuse, answerer: mirror })
    for (const address of pair.answerer.network.addresses()) expect(address).toMatch(/^\//)
  })
}

async function ask(from: NetworkPeer, to: NetworkPeer, path: string): Promise<Response> {
  return from.network.request(to.server, requestTo(to, path), signal())
}

function requestTo(peer: NetworkPeer, path: string, init: RequestInit = {}): Request {
  return new Request(`https://${peer.server}${path}`, init)
}

function signal(): AbortSignal {
  return AbortSignal.timeout(TEST_MS_MAX)
}

async function wait(durationMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setTimeout(resolve, durationMs)
  await promise
}

const refuse: PeerRequestHandler = async () => new Response('nobody should ask here', { status: 500 })

const echo: PeerRequestHandler = async (_origin, request) => new Response(await request.arrayBuffer())

const mirror: PeerRequestHandler = async (origin, request) => {
  const { host, pathname, search } = new URL(request.url)
  const body = await request.text()
  return Response.json(
    {
      origin,
      method: request.method,
      target: pathname + search,
      host,
      kind: request.headers.get('x-kind'),
      contentType: request.headers.get('content-type'),
      body,
    },
    { status: 207, headers: { 'x-answer': 'yes' } },
  )
}

const answerLater: PeerRequestHandler = async (_origin, request) => {
  const { pathname } = new URL(request.url)
  // Later requests are answered earlier.
  await wait(30 - (Number(pathname.slice(1)) % 30))
  return new Response(pathname)
}

function throwOnce(): PeerRequestHandler {
  let thrown = false
  return async () => {
    if (thrown) return new Response('fine')
    thrown = true
    throw new Error('a bug')
  }
}

/** Answers only when it is aborted. */
function endless(): { readonly handle: PeerRequestHandler; readonly called: Promise<void>; readonly aborted: Promise<void> } {
  const called = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const handle: PeerRequestHandler = async (_origin, request) => {
    request.signal.addEventListener('abort', () => aborted.resolve(), { once: true })
    called.resolve()
    await aborted.promise
    return new Response('aborted')
  }
  return { handle, called: called.promise, aborted: aborted.promise }
}

function endlessBody(): { readonly body: ReadableStream<Uint8Array<ArrayBuffer>>; produced(): number; cancelled(): boolean } {
  let produced = 0
  let cancelled = false
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => {
      const bytes = patternBytes(32 * 1024)
      produced += bytes.byteLength
      controller.enqueue(bytes)
    },
    cancel: () => {
      cancelled = true
    },
  })
  return { body, produced: () => produced, cancelled: () => cancelled }
}

function patternBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff
  return bytes
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
}
