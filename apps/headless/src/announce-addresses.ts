import type { PeerNetwork } from '@kith/homeserver/ports'

/** Prints one line for each address at which others can dial this node, as the addresses appear, until the signal aborts. */
export async function announceAddresses(network: PeerNetwork, print: (line: string) => void, signal: AbortSignal): Promise<void> {
  const printed = new Set<string>()
  while (!signal.aborted) {
    const changed = network.addressesChanged(signal)
    for (const address of network.addresses()) {
      if (printed.has(address)) continue
      printed.add(address)
      print(`listening on ${address}`)
    }
    await changed.catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}
