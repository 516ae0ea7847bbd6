import type { PeerRequestHandler } from '@kith/homeserver/ports'
import { parseServerName, type ServerName } from '@kith/matrix-protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startNode } from '../src/node/node-pairs.test-support.ts'
import { servePage, startBrowser, type TestBrowser } from './chromium.ts'

const WAIT = { timeout: 15_000, interval: 100 }

let page: Awaited<ReturnType<typeof servePage>>
beforeAll(async () => {
  page = await servePage()
}, 60_000)
afterAll(async () => page[Symbol.asyncDispose]())

const handler: PeerRequestHandler = async (origin, request) => {
  if (new URL(request.url).pathname === '/who') return new Response(origin)
  return new Response(await request.arrayBuffer())
}

async function startRelay(transport: 'websocket' | 'webrtc-direct'): ReturnType<typeof startNode> {
  return startNode(handler, { role: 'relay', listen: { host: '127.0.0.1', port: 0, transports: [transport] } })
}

describe.each([
  ['websocket', false],
  ['webrtc-direct', false],
  ['webrtc-direct', true],
] as const)('a worker in Chromium and a relay reached by %s alone (channels pumped: %s)', (transport, pump) => {
  test('ask each other, over the connection that the worker dialled', { timeout: 60_000 }, async () => {
    const relay = await startRelay(transport)
    await using _relay = relay.network
    await using browser = await startBrowser(page.url, relay.network.addresses(), { pump })
    await browser.call.learn(relay.server, relay.network.addresses())
    expect(await browser.call.whoAmI(relay.server)).toBe(browser.server)
    expect(await browser.call.echo(relay.server, 10)).toBe(10)
    expect(await browser.call.echo(relay.server, 3_000_000)).toBe(3_000_000)
    await vi.waitFor(
      async () => expect(await browser.call.connections()).toMatchObject([{ server: relay.server, path: 'direct', transport }]),
      WAIT,
    )

    const name = nameOf(browser)
    const answer = await relay.network.request(name, new Request(`https://${name}/who`), AbortSignal.timeout(10_000))
    expect(await answer.text()).toBe(relay.server)
  })

  test('the relay notices soon that the browser was killed', { timeout: 60_000 }, async () => {
    const relay = await startRelay(transport)
    await using _relay = relay.network
    await using browser = await startBrowser(page.url, relay.network.addresses(), { pump })
    await vi.waitFor(() => expect(relay.network.connections()).toHaveLength(1), WAIT)
    await browser.kill()
    await vi.waitFor(() => expect(relay.network.connections()).toHaveLength(0), { timeout: 7_000, interval: 100 })
  })
})

describe.each([
  ['websocket', false],
  ['webrtc-direct', false],
  ['websocket', true],
] as const)('two Chromium processes that share a relay reached by %s (channels pumped: %s)', (transport, pump) => {
  test('reach each other and end on a real WebRTC connection', { timeout: 90_000 }, async () => {
    const relay = await startRelay(transport)
    await using _relay = relay.network
    await using a = await startBrowser(page.url, relay.network.addresses(), { pump })
    await using b = await startBrowser(page.url, relay.network.addresses(), { pump })
    await vi.waitFor(async () => expect(await b.call.addresses()).toContainEqual(expect.stringContaining('/p2p-circuit')), WAIT)
    await a.call.learn(b.server, await b.call.addresses())
    expect(await a.call.whoAmI(b.server)).toBe(a.server)

    await untilDirect(a, b)
    await untilDirect(b, a)
    const before = await webRtcBytes(b)
    expect(await a.call.echo(b.server, 2_000_000)).toBe(2_000_000)
    expect(await b.call.whoAmI(a.server)).toBe(b.server)
    // The body really travelled over the WebRTC connection that the window holds.
    expect((await webRtcBytes(b)) - before).toBeGreaterThan(4_000_000)
    expect((await a.summaries()).every(({ channelsTransferred }) => channelsTransferred === !pump)).toBe(true)
  })
})

async function untilDirect(from: TestBrowser, to: TestBrowser): Promise<void> {
  await vi.waitFor(async () => {
    const connection = (await from.call.connections()).find(({ server }) => server === to.server)
    expect(connection).toMatchObject({ path: 'direct', transport: 'webrtc' })
  }, WAIT)
}

async function webRtcBytes(browser: TestBrowser): Promise<number> {
  const connected = (await browser.summaries()).filter(({ connectionState }) => connectionState === 'connected')
  expect(connected.length).toBeGreaterThan(0)
  return connected.reduce((sum, { bytesSent, bytesReceived }) => sum + bytesSent + bytesReceived, 0)
}

function nameOf(browser: TestBrowser): ServerName {
  const name = parseServerName(browser.server)
  if (name === undefined) throw new Error('not a server name')
  return name
}
