import type { Log, PeerRequestHandler } from '@kith/homeserver/ports'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, test, vi } from 'vitest'
import { BODY_BYTES_MAX, INBOUND_REQUESTS_MAX } from '../limits.ts'
import { BODY_PROTOCOL } from '../rpc/body-exchange.ts'
import { encodeChunk, encodeHeader } from '../rpc/body-framing.ts'
import { encodeFrame, FrameDecoder, type Frame } from '../rpc/frame.ts'
import { parseResponseHead } from '../rpc/head.ts'
import { RPC_PROTOCOL } from '../rpc/rpc-session.ts'
import { quietLog, startNode } from './node-pairs.test-support.ts'

const MIB = 1024 * 1024
const head = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const get = { method: 'GET', path: '/', headers: [] }
const request = (id: number, value: object = get, body = new Uint8Array()): Uint8Array =>
  encodeFrame({ kind: 'request', id, head: head(value), body })

const fine: PeerRequestHandler = async () => new Response('fine')

/** A node, and a peer that speaks libp2p and then whatever it likes. */
async function openAttack(
  handler: PeerRequestHandler,
): Promise<{ connection: Connection; warnings: string[]; stillServes(): Promise<boolean> } & AsyncDisposable> {
  const warnings: string[] = []
  const log: Log = { ...quietLog, warn: (message) => warnings.push(message), error: (message) => warnings.push(message) }
  const node = await startNode(handler, { log, listen: { host: '127.0.0.1', port: 0, transports: ['tcp'] } })
  const attacker = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
  const connection = await attacker.dial(multiaddr(node.network.addresses()[0]))
  return {
    connection,
    warnings,
    stillServes: async () => {
      const friend = await startNode(fine)
      await using network = friend.network
      network.learnAddresses(node.server, node.network.addresses())
      const response = await network.request(node.server, new Request(`https://${node.server}/`), AbortSignal.timeout(10_000))
      return response.ok
    },
    [Symbol.asyncDispose]: async () => {
      await attacker.stop()
      await node.network[Symbol.asyncDispose]()
    },
  }
}

function framesOf(stream: Stream): Frame[] {
  const frames: Frame[] = []
  const decoder = new FrameDecoder()
  stream.addEventListener('message', ({ data }) => frames.push(...decoder.push(data.subarray())))
  return frames
}

test.each([
  ['a frame of impossible length', Uint8Array.of(255, 255, 255, 255)],
  ['an unknown type', Uint8Array.of(0, 0, 0, 5, 99, 0, 0, 0, 1)],
  [
    'a response that answers nothing',
    encodeFrame({ kind: 'response', id: 1, head: head({ status: 200, headers: [] }), body: new Uint8Array() }),
  ],
  ['a head that is not JSON', encodeFrame({ kind: 'request', id: 1, head: Uint8Array.of(1, 2, 3), body: new Uint8Array() })],
  ['a path with a host', request(1, { ...get, path: 'https://elsewhere/' })],
  ['text of another protocol', new TextEncoder().encode('GET / HTTP/1.1\r\nHost: node\r\n\r\n')],
])('%s closes the stream with one line in the log, and the node lives', async (_what, bytes) => {
  await using attack = await openAttack(fine)
  const stream = await attack.connection.newStream(RPC_PROTOCOL)
  stream.send(bytes)
  await vi.waitFor(() => expect(stream.status).not.toBe('open'), 5_000)
  expect(attack.warnings).toEqual(['rpc: a peer broke the protocol'])
  expect(await attack.stillServes()).toBe(true)
})

test('an id that is in use closes the stream and aborts its request', async () => {
  const aborted = Promise.withResolvers<void>()
  await using attack = await openAttack(async (_origin, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve(), { once: true })
    await aborted.promise
    return new Response()
  })
  const stream = await attack.connection.newStream(RPC_PROTOCOL)
  stream.send(request(1))
  stream.send(request(1))
  await aborted.promise
  expect(attack.warnings).toEqual(['rpc: a peer broke the protocol'])
})

test.each([
  ['a method that no request may have', { ...get, method: 'CONNECT' }, new Uint8Array()],
  ['a header that no request may have', { ...get, headers: [['bad header\n', 'x']] }, new Uint8Array()],
  ['a body where none may be', get, Uint8Array.of(1)],
])('%s is answered 400', async (_what, value, body) => {
  await using attack = await openAttack(fine)
  const stream = await attack.connection.newStream(RPC_PROTOCOL)
  const frames = framesOf(stream)
  stream.send(request(1, value, body))
  await vi.waitFor(() => expect(frames).toHaveLength(1), 5_000)
  expect(statusOf(frames[0])).toBe(400)
})

test('requests beyond the limit are answered 429, and the others are not harmed', async () => {
  const release = Promise.withResolvers<void>()
  await using attack = await openAttack(async () => {
    await release.promise
    return new Response('fine')
  })
  const stream = await attack.connection.newStream(RPC_PROTOCOL)
  const frames = framesOf(stream)
  for (let id = 1; id <= INBOUND_REQUESTS_MAX + 10; id++) stream.send(request(id))
  await vi.waitFor(() => expect(frames.map(statusOf)).toEqual(Array.from({ length: 10 }, () => 429)), 5_000)
  release.resolve()
  await vi.waitFor(() => expect(frames.map(statusOf).filter((status) => status === 200)).toHaveLength(INBOUND_REQUESTS_MAX), 5_000)
})

test('a body that is longer than allowed fails its request, and the sender is stopped', { timeout: 60_000 }, async () => {
  const failed = Promise.withResolvers<string>()
  await using attack = await openAttack(async (_origin, incoming) => {
    await incoming.arrayBuffer().catch((error: unknown) => failed.resolve(error instanceof Error ? error.message : ''))
    return new Response()
  })
  const rpc = await attack.connection.newStream(RPC_PROTOCOL)
  rpc.send(request(1, { method: 'PUT', path: '/', headers: [], streamed: true }))
  const body = await attack.connection.newStream(BODY_PROTOCOL)
  body.send(encodeHeader('request', 1))
  let granted = MIB
  body.addEventListener('message', ({ data }) => {
    const numbers = data.subarray()
    for (let at = 0; at + 4 <= numbers.byteLength; at += 4) granted += new DataView(numbers.buffer, numbers.byteOffset + at).getUint32(0)
  })
  const chunk = encodeChunk(new Uint8Array(64 * 1024))
  for (let sent = 0; sent <= BODY_BYTES_MAX && body.status === 'open'; sent += 64 * 1024) {
    await vi.waitFor(() => expect(granted > sent || body.status !== 'open').toBe(true), { timeout: 5_000, interval: 5 })
    if (body.status === 'open') body.send(chunk)
  }
  expect(await failed.promise).toContain('too long')
  await vi.waitFor(() => expect(body.status).not.toBe('open'), 5_000)
})

test('a sender that ignores the window of a body is stopped', async () => {
  const called = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  await using attack = await openAttack(async () => {
    called.resolve()
    await release.promise
    return new Response()
  })
  const rpc = await attack.connection.newStream(RPC_PROTOCOL)
  rpc.send(request(1, { method: 'PUT', path: '/', headers: [], streamed: true }))
  await called.promise
  const body = await attack.connection.newStream(BODY_PROTOCOL)
  body.send(encodeHeader('request', 1))
  for (let sent = 0; sent < 4 * MIB && body.status === 'open'; sent += 64 * 1024) body.send(encodeChunk(new Uint8Array(64 * 1024)))
  await vi.waitFor(() => expect(body.status).not.toBe('open'), 5_000)
  release.resolve()
})

test('bodies that belong to nothing are refused beyond a number', async () => {
  await using attack = await openAttack(fine)
  // A stream may be refused while it is being opened, or at any moment after.
  const attempts = await Promise.allSettled(Array.from({ length: 60 }, async () => attack.connection.newStream(BODY_PROTOCOL)))
  const streams = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
  for (const [index, stream] of streams.entries()) if (stream.writeStatus === 'writable') stream.send(encodeHeader('request', index))
  await vi.waitFor(() => expect(streams.filter(({ status }) => status === 'open').length).toBeLessThanOrEqual(32), 5_000)
  expect(await attack.stillServes()).toBe(true)
})

function statusOf(frame: Frame | undefined): number {
  if (frame?.kind !== 'response') throw new Error('expected a response')
  return parseResponseHead(frame.head).status
}
