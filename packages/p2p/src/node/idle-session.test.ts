import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, test } from 'vitest'
import { INLINE_BODY_BYTES_MAX } from '../limits.ts'
import { prepareRequest } from '../rpc/body.ts'
import { BODY_PROTOCOL } from '../rpc/body-exchange.ts'
import { RpcSession } from '../rpc/rpc-session.ts'
import { quietLog, startNode } from './node-pairs.test-support.ts'

/** A surplus connection is closed as soon as its session is idle. */
test('a session is not idle while the body of an answer is still coming', async () => {
  const finish = Promise.withResolvers<void>()
  const node = await startNode(async () => new Response(longBody(finish.promise)), {
    listen: { host: '127.0.0.1', port: 0, transports: ['tcp'] },
  })
  await using _network = node.network
  const asker = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()] })
  try {
    const connection = await asker.dial(multiaddr(node.network.addresses()[0]))
    const handler = async (): Promise<Response> => new Response()
    const names = { peer: node.server, self: node.server }
    const session = new RpcSession({ connection, ...names, handler, log: quietLog, silentLoss: false, onSpeaks: () => {} })
    await asker.handle(BODY_PROTOCOL, (stream) => session.acceptBody(stream))
    const signal = AbortSignal.timeout(20_000)
    const ask = async (): Promise<Response> => session.request(await prepareRequest(new Request(`https://${node.server}/`), signal), signal)
    const [read, cancelled] = [await ask(), await ask()]
    expect(session.idle).toBe(false)
    await cancelled.body?.cancel()
    expect(session.idle).toBe(false)
    finish.resolve()
    await read.arrayBuffer()
    expect(session.idle).toBe(true)
  } finally {
    await asker.stop()
  }
})

function longBody(end: Promise<void>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start: async (controller) => {
      controller.enqueue(new Uint8Array(INLINE_BODY_BYTES_MAX + 1))
      await end
      controller.close()
    },
  })
}
