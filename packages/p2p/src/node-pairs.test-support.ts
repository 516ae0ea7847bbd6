import type { Log, PeerRequestHandler } from '@kith/homeserver/ports'
import type { NetworkPair, NetworkPeer, PairHandlers } from '@kith/testkit/peer-network-suite'
import { createIdentity } from './identity.ts'
import { createNodeNetwork, type NodeNetworkOptions } from './node.ts'

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }

export type NodeSettings = Partial<Pick<NodeNetworkOptions, 'role' | 'relays' | 'listen' | 'dataDirectory' | 'identity' | 'log'>>

export async function startNode(handler: PeerRequestHandler, settings: NodeSettings = {}): Promise<NetworkPeer> {
  const identity = settings.identity ?? createIdentity(random)
  const network = await createNodeNetwork({ identity, role: 'homeserver', relays: [], log: quietLog, ...settings })
  network.serve(handler)
  await network.start(AbortSignal.timeout(20_000))
  return { network, server: identity.serverName }
}

/** Two nodes, one listening on one transport. */
export function openDirectPair(transport: 'tcp' | 'websocket' | 'webrtc-direct'): (handlers: PairHandlers) => Promise<NetworkPair> {
  return async (handlers) => {
    const answerer = await startNode(handlers.answerer, { listen: { host: '127.0.0.1', port: 0, transports: [transport] } })
    const asker = await startNode(handlers.asker)
    asker.network.learnAddresses(answerer.server, answerer.network.addresses())
    return pairOf(asker, answerer, [])
  }
}

export function pairOf(asker: NetworkPeer, answerer: NetworkPeer, others: readonly NetworkPeer[]): NetworkPair {
  return {
    asker,
    answerer,
    kill: async () => answerer.network[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([asker, answerer, ...others].map(async ({ network }) => network[Symbol.asyncDispose]()))
    },
  }
}
