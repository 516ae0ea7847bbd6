import { expect, test } from 'vitest'
import { startNode, startRelay, untilAddresses } from './node-pairs.test-support.ts'

test('a node has its place at each of its relays', async () => {
  await using open = new AsyncDisposableStack()
  const relays = await Promise.all(Array.from({ length: 4 }, async () => startRelay()))
  for (const relay of relays) open.use(relay.network)
  const addresses = relays.flatMap((relay) => relay.network.addresses())
  const node = await startNode(async () => new Response('here'), { relays: addresses })
  open.use(node.network)
  for (const relay of relays) {
    const peer = /\/p2p\/(\w+)$/.exec(relay.network.addresses()[0] ?? '')?.[1]
    expect(peer).toBeDefined()
    await untilAddresses(node, (address) => address.includes(`/p2p/${peer}/p2p-circuit`))
  }
})
