import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import { federationTables } from '../tables.ts'

/** The answers to the newest transactions of each origin, kept over restarts. One transaction of an origin at a time. */
export class RememberedTransactions {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async answerTo(origin: ServerName, transactionId: string): Promise<JsonObject | undefined> {
    const sequence = await this.#storage.get(federationTables.transactionIds, [origin, transactionId])
    if (sequence === undefined) return undefined
    return (await this.#storage.get(federationTables.transactions, [origin, sequence]))?.answer
  }

  async remember(origin: ServerName, transactionId: string, answer: JsonObject): Promise<void> {
    const [newest] = await this.#storage.range(federationTables.transactions, { prefix: [origin], reverse: true, limit: 1 })
    const sequence = (newest?.key[1] ?? 0) + 1
    const batch = new WriteBatch()
      .put(federationTables.transactions, [origin, sequence], { transactionId, answer })
      .put(federationTables.transactionIds, [origin, transactionId], sequence)
    const before = sequence - limits.implementation.transactionsRememberedPerOriginMax
    const old = await this.#storage.range(federationTables.transactions, {
      prefix: [origin],
      before: [origin, Math.max(before, 0)],
      limit: 10,
    })
    for (const { key, value } of old) {
      batch.delete(federationTables.transactions, key)
      batch.delete(federationTables.transactionIds, [origin, value.transactionId])
    }
    await this.#storage.commit(batch.writes)
  }
}
