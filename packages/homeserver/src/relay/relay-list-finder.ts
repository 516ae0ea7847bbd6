import type { ServerName } from '@kith/matrix-protocol'
import type { PeerClient } from '../federation/peer-client.ts'
import type { Log } from '../ports/log.ts'
import type { PeerNetwork } from '../ports/peer-network.ts'
import type { Rooms } from '../rooms/index.ts'
import type { RelayLists } from './relay-lists.ts'

const RELAY_LIST_PATH = '/_matrix/federation/unstable/im.kith/relay_list'

export interface RelayListFinderParts {
  readonly network: PeerNetwork
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly relayLists: RelayLists
  readonly log: Log
}

/** Asks members of shared rooms for their relay list when they connect and it is not known: later they may be away. */
export class RelayListFinder {
  readonly #parts: RelayListFinderParts
  readonly #signal: AbortSignal
  readonly #asking = new Set<ServerName>()

  constructor(parts: RelayListFinderParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  start(): void {
    this.#parts.network.watchPeers((event) => {
      if (event.kind === 'connected') void this.#find(event.server)
    }, this.#signal)
  }

  async #find(server: ServerName): Promise<void> {
    const { client, relayLists, rooms, log } = this.#parts
    if (relayLists.knows(server) || this.#asking.has(server) || rooms.roomsWithServer(server).length === 0) return
    this.#asking.add(server)
    try {
      const answer = await client.call(server, { method: 'GET', path: RELAY_LIST_PATH }, this.#signal)
      if (answer.kind === 'ok') await relayLists.learn(server, answer.body)
    } catch (error) {
      if (!this.#signal.aborted)
        log.warn('Asking for a relay list failed', { server, error: error instanceof Error ? error.name : 'unknown' })
    } finally {
      this.#asking.delete(server)
    }
  }
}
