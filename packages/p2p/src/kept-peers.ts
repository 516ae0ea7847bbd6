import { KEEP_ALIVE, type PeerStore } from '@libp2p/interface'

/**
 * Forgets which peers were relays in an earlier run. libp2p would reserve at them again as "discovered" relays at start: relays that
 * are no longer chosen, and chosen ones in a way whose addresses are never announced.
 */
export async function forgetOldRelays(peerStore: PeerStore): Promise<void> {
  for (const peer of await peerStore.all()) {
    const keepAlive = [...peer.tags.keys()].filter((tag) => tag.startsWith(KEEP_ALIVE))
    if (keepAlive.length > 0) await peerStore.merge(peer.id, { tags: Object.fromEntries(keepAlive.map((tag) => [tag, undefined])) })
  }
}
