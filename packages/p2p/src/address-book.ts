import type { ServerName } from '@kith/matrix-protocol'
import type { Multiaddr } from '@multiformats/multiaddr'
import { addressOfPeer, circuitOf, parseAddress } from './addresses.ts'
import { ADDRESS_BOOK_PEERS_MAX, ADDRESSES_PER_PEER_MAX } from './limits.ts'

/**
 * Where peers may be found, as others claimed. Unverified: only a finished handshake proves who answers there.
 * Bounded in peers and addresses; the peer learned of longest ago is forgotten first, as is a peer's oldest address.
 */
export class AddressBook {
  readonly #peers = new Map<ServerName, Map<string, Multiaddr>>()

  /** Unusable addresses and those of other peers are ignored. `peerId` is the server's own. */
  learn(server: ServerName, peerId: string, addresses: readonly string[]): void {
    const known = this.#peers.get(server) ?? new Map<string, Multiaddr>()
    for (const text of addresses.slice(0, ADDRESSES_PER_PEER_MAX)) {
      const parsed = parseAddress(text)
      const address = parsed === undefined ? undefined : addressOfPeer(circuitOf(parsed), peerId)
      if (address === undefined) continue
      const key = address.toString()
      known.delete(key)
      known.set(key, address)
    }
    dropOldest(known, ADDRESSES_PER_PEER_MAX)
    if (known.size === 0) return
    this.#peers.delete(server)
    this.#peers.set(server, known)
    dropOldest(this.#peers, ADDRESS_BOOK_PEERS_MAX)
  }

  /** The newest first. */
  addresses(server: ServerName): readonly Multiaddr[] {
    return [...(this.#peers.get(server)?.values() ?? [])].reverse()
  }
}

function dropOldest<K>(map: Map<K, unknown>, sizeMax: number): void {
  for (const key of map.keys()) {
    if (map.size <= sizeMax) return
    map.delete(key)
  }
}
