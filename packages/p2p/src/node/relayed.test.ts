import { peerNetworkSuite } from '@kith/testkit/peer-network-suite'
import { expect, test, vi } from 'vitest'
import { openRelayedPair } from './node-pairs.test-support.ts'

peerNetworkSuite('libp2p through a relay', openRelayedPair('websocket'))

const answer = async (): Promise<Response> => new Response('here')

test.each(['tcp', 'websocket', 'webrtc-direct'] as const)(
  'two nodes meet through a relay reached by %s and end on a direct WebRTC connection',
  { timeout: 30_000 },
  async (transport) => {
    await using pair = await openRelayedPair(transport)({ asker: answer, answerer: answer })
    const { asker, answerer } = pair
    const ask = async (): Promise<string> => {
      const response = await asker.network.request(answerer.server, new Request(`https://${answerer.server}/`), AbortSignal.timeout(20_000))
      return response.text()
    }
    expect(await ask()).toBe('here')
    for (const [from, to] of [
      [asker, answerer],
      [answerer, asker],
    ] as const) {
      await vi.waitFor(
        () =>
          expect(from.network.connections().find(({ server }) => server === to.server)).toMatchObject({
            path: 'direct',
            transport: 'webrtc',
          }),
        15_000,
      )
    }
    expect(await ask()).toBe('here')
  },
)
