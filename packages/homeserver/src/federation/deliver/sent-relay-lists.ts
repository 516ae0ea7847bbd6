import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import { federationTables } from '../tables.ts'

/** Which destinations have this server's current relay list. */
export class SentRelayLists {
  readonly #storage: Storage
  readonly #lists: RelayLists
  readonly #sent = new Map<ServerName, number>()

  constructor(storage: Storage, lists: RelayLists) {
    this.#storage = storage
    this.#lists = lists
  }

  async isCurrent(destination: ServerName): Promise<boolean> {
    const sent = this.#sent.get(destination) ?? (await this.#storage.get(federationTables.relayListSent, [destination])) ?? -1
    this.#sent.set(destination, sent)
    return sent >= this.#lists.ownSequence
  }

  /** The destination took a transaction with these further members. */
  async confirm(destination: ServerName, members: JsonObject): Promise<void> {
    const list = members['im.kith.relay_list']
    const sequence = typeof list === 'object' && list !== null && 'seq' in list ? list.seq : undefined
    if (typeof sequence !== 'number') return
    await this.#storage.commit(new WriteBatch().put(federationTables.relayListSent, [destination], sequence).writes)
    this.#sent.set(destination, sequence)
  }
}
