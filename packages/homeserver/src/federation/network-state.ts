import type { NetworkInfo } from '../client-api/federation-access.ts'
import type { PeerNetwork } from '../ports/peer-network.ts'
import type { Relays } from '../relay/relays.ts'

/** What people may see of the network, with a version that grows with each change. */
export class NetworkState {
  readonly #network: PeerNetwork
  readonly #relays: Relays
  readonly #waiters = new Set<() => void>()
  #version = 1

  constructor(network: PeerNetwork, relays: Relays, signal: AbortSignal) {
    this.#network = network
    this.#relays = relays
    network.watchPeers(() => this.#advance(), signal)
    relays.watch(() => this.#advance())
    void this.#watchAddresses(signal)
  }

  read(): NetworkInfo {
    return {
      version: this.#version,
      addresses: this.#network.addresses(),
      relays: this.#relays.infos(),
      peers: this.#network.connections(),
    }
  }

  /** Resolves once the version is beyond `version`; rejects with the signal's reason. */
  async changed(version: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#version > version) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    const onAdvance = (): void => {
      if (this.#version > version) resolve()
    }
    this.#waiters.add(onAdvance)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      this.#waiters.delete(onAdvance)
      signal.removeEventListener('abort', onAbort)
    }
  }

  #advance(): void {
    this.#version++
    for (const wake of [...this.#waiters]) wake()
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
