import type { Libp2p, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { addressOfPeer, circuitOf, circuitThrough, isRelayed, peerIdIn, relayIn } from './addresses.ts'

export interface CandidateSources {
  readonly libp2p: Libp2p
  /** The peer id of this node. */
  readonly self: string
  /** The addresses of this node's relays. */
  readonly relays: readonly Multiaddr[]
}

/**
 * Where a peer may answer, best guesses first: what was learned of it, what it told when it was last connected, and circuits through
 * this node's own relays. Direct addresses and circuits take turns, so that whichever kind works is tried early.
 */
export async function dialCandidates(peer: PeerId, learned: readonly Multiaddr[], sources: CandidateSources): Promise<Multiaddr[]> {
  const { libp2p, relays } = sources
  const peerId = peer.toString()
  const stored = await libp2p.peerStore.get(peer).then(
    ({ addresses }) => addresses.flatMap(({ multiaddr }) => addressOfPeer(circuitOf(multiaddr), peerId) ?? []),
    () => [],
  )
  const asRelay = relays.filter((relay) => peerIdIn(relay) === peerId)
  const known = [...learned, ...asRelay, ...stored]
  // Nobody is called through himself.
  const throughOwnRelays = relays.filter((relay) => peerIdIn(relay) !== peerId).map((relay) => circuitThrough(relay, peerId))
  const direct = known.filter((address) => !isRelayed(address))
  const circuits = withoutRepeatedRelays([...known.filter(isRelayed), ...throughOwnRelays], sources)
  return interleave(unique(direct), unique(circuits))
}

/** The connection to a relay is reused whatever address led to it, so one circuit through a connected relay stands for all. */
function withoutRepeatedRelays(circuits: readonly Multiaddr[], { libp2p, self }: CandidateSources): Multiaddr[] {
  const connected = new Set(libp2p.getConnections().map(({ remotePeer }) => remotePeer.toString()))
  const throughConnected = new Map<string, Multiaddr>()
  const throughOthers: Multiaddr[] = []
  for (const circuit of circuits) {
    const relay = relayIn(circuit)?.peerId
    if (relay === undefined || relay === self) continue
    if (!connected.has(relay)) throughOthers.push(circuit)
    else if (!throughConnected.has(relay)) throughConnected.set(relay, circuit)
  }
  return [...throughConnected.values(), ...throughOthers]
}

function interleave<T>(first: readonly T[], second: readonly T[]): T[] {
  const result: T[] = []
  for (let at = 0; at < Math.max(first.length, second.length); at++) {
    for (const item of [first[at], second[at]]) if (item !== undefined) result.push(item)
  }
  return result
}

function unique(addresses: readonly Multiaddr[]): Multiaddr[] {
  return [...new Map(addresses.map((address) => [address.toString(), address])).values()]
}
