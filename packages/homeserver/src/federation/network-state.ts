import type { NetworkInfo } from '../client-api/federation-access.ts'
import type { PeerNetwork } from '../ports/peer-network.ts'
import type { Relays } from '../relay/relays.ts'
import { WatchedNumber } from '../watched-number.ts'

/** What people may see of the network, with a version that grows with each change. */
export class NetworkState {
  readonly #network: PeerNetwork
  readonly #relays: Relays
  readonly #version = new WatchedNumber(1)

  constructor(network: PeerNetwork, relays: Relays, signal: AbortSignal) {
    this.#network = network
    this.#relays = relays
    network.watchPeers(() => this.#advance(), signal)
    relays.watch(() => this.#advance())
    void this.#watchAddresses(signal)
  }

  read(): NetworkInfo {
    return {
      version: this.#version.value,
      addresses: this.#network.addresses(),
      relays: this.#relays.infos(),
      peers: this.#network.connections(),
    }
  }

  /** Resolves once the version is beyond `version`; rejects with the signal's reason. */
  changed(version: number, signal: AbortSignal): Promise<void> {
    return this.#version.beyond(version, signal)
  }

  #advance(): void {
    this.#version.growTo(this.#version.value + 1)
  }

  async #watchAddresses(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#network.addressesChanged(signal)
        this.#advance()
      }
    } catch {
      // Only the end of this server ends the wait.
    }
  }
}
