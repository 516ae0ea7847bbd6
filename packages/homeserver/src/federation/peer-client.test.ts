import type { ServerName } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { PeerClient } from './peer-client.ts'

test('a name that is no key is refused for good, and a key that nobody answers for is out of reach', async () => {
  const world = new SimulatedWorld(1)
  const network = world.network.node(world.createIdentity().server)
  const signal = new AbortController().signal
  await network.start(signal)
  const client = new PeerClient({ network, clock: world.clock })
  const call = { method: 'GET', path: '/_matrix/federation/v1/version', timeoutMs: 1_000 } as const
  const asking = (server: ServerName) => [client.call(server, call, signal), client.stream(server, call, signal)] as const
  for (const answer of asking('example.org' as ServerName)) {
    expect(await answer).toMatchObject({ kind: 'refused', errcode: 'M_NOT_FOUND' })
  }
  for (const answer of asking(world.createIdentity().server)) {
    expect(await world.finish<{ readonly kind: string }>(answer)).toMatchObject({ kind: 'unreachable' })
  }
})
