import type { Log, PeerRequestHandler } from '@kith/homeserver/ports'
import type { NetworkPair, NetworkPeer, PairHandlers } from '@kith/testkit/peer-network-suite'
import { createIdentity } from '../identity.ts'
import { createNodeNetwork, type KithNetwork, type NodeNetworkOptions } from './node.ts'

export const quietLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

const random = { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) }

export type NodeSettings = Partial<Pick<NodeNetworkOptions, 'role' | 'relays' | 'listen' | 'dataDirectory' | 'identity' | 'log'>>

export interface NodePeer extends NetworkPeer {
  readonly network: KithNetwork
}

export async function startNode(handler: PeerRequestHandler, settings: NodeSettings = {}): Promise<NodePeer> {
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

function pairOf(asker: NetworkPeer, answerer: NetworkPeer, others: readonly NetworkPeer[]): NetworkPair {
  return {
    asker,
    answerer,
    kill: async () => answerer.network[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([asker, answerer, ...others].map(async ({ network }) => network[Symbol.asyncDispose]()))
    },
  }
}

const refuse: PeerRequestHandler = async () => new Response(null, { status: 404 })

export async function startRelay(settings: NodeSettings = {}): Promise<NodePeer> {
  return startNode(refuse, { role: 'relay', listen: { host: '127.0.0.1', port: 0 }, ...settings })
}

/** Two nodes that listen nowhere and share a relay, whose address they know by one transport only. */
export function openRelayedPair(transport: 'tcp' | 'websocket' | 'webrtc-direct'): (handlers: PairHandlers) => Promise<NetworkPair> {
  return async (handlers) => {
    const relay = await startRelay({ listen: { host: '127.0.0.1', port: 0, transports: [transport] } })
    const relays = relay.network.addresses()
    const answerer = await startNode(handlers.answerer, { relays })
    const asker = await startNode(handlers.asker, { relays })
    await untilAddresses(answerer, (address) => address.includes('/p2p-circuit/'))
    asker.network.learnAddresses(answerer.server, answerer.network.addresses())
    return pairOf(asker, answerer, [relay])
  }
}

export async function untilAddresses(peer: NetworkPeer, wanted: (address: string) => boolean): Promise<void> {
  const signal = AbortSignal.timeout(15_000)
  while (!peer.network.addresses().some(wanted)) await peer.network.addressesChanged(signal)
}
