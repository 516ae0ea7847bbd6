import { createLibp2p } from 'libp2p'
import { expect, test } from 'vitest'
import { createIdentity, libp2pKeyOf } from '../identity.ts'
import { Libp2pPeerNetwork } from '../libp2p-peer-network.ts'
import { internals } from '../libp2p-settings.ts'
import { quietLog } from './node-pairs.test-support.ts'

test('a connection that comes up when the node has stopped is closed', async () => {
  const identity = createIdentity({ bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) })
  const libp2p = await createLibp2p({ start: false, privateKey: libp2pKeyOf(identity), services: { internals } })
  const { transportManager, connectionManager } = libp2p.services.internals
  const network = new Libp2pPeerNetwork({
    libp2p,
    transports: transportManager,
    connections: connectionManager,
    reservations: undefined,
    identity,
    webRtc: true,
    relays: [],
    log: quietLog,
    close: async () => {},
  })
  network.serve(async () => new Response())
  await network.start(AbortSignal.timeout(20_000))
  await network[Symbol.asyncDispose]()
  const reasons: Error[] = []
  libp2p.dispatchEvent(new CustomEvent('connection:open', { detail: { abort: (reason: Error) => reasons.push(reason) } }))
  expect(reasons).toEqual([new Error('This node is stopping')])
})
