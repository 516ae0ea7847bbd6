import type { Storage } from '../ports/storage.ts'
import type { TimelineTransaction } from '../timeline/index.ts'
import type { Session } from './accounts.ts'
import { accountsTables, type StoredClientTransaction } from './tables.ts'

/**
 * Makes requests with a transaction id happen once per device, endpoint and path.
 * Spec: Client-Server API, Transaction identifiers.
 *
 * Invariants:
 * 1. What a transaction did and the record of it are one commit.
 * 2. A repetition that arrives while the first still runs waits for its outcome.
 */
export class ClientTransactions {
  readonly #storage: Storage
  readonly #running = new Map<string, Promise<unknown>>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /**
   * Runs `perform`, which must call `record` inside its commit; or answers with what the first such request led to.
   * When `perform` throws, nothing is recorded and the transaction may be tried again.
   */
  async once<T>(
    session: Session,
    scope: string,
    transactionId: string,
    actions: {
      readonly repeat: (earlier: StoredClientTransaction) => T
      readonly perform: (record: (transaction: TimelineTransaction, outcome: StoredClientTransaction) => void) => Promise<T>
    },
  ): Promise<T> {
    const key = [session.userId, session.deviceId, transactionId, scope] as const
    const runningKey = JSON.stringify(key)
    for (let running = this.#running.get(runningKey); running !== undefined; running = this.#running.get(runningKey)) {
      await running.catch(() => undefined)
    }
    const run = this.#run(key, actions)
    this.#running.set(runningKey, run)
    try {
      return await run
    } finally {
      this.#running.delete(runningKey)
    }
  }

  async #run<T>(
    key: readonly [Session['userId'], string, string, string],
    actions: {
      readonly repeat: (earlier: StoredClientTransaction) => T
      readonly perform: (record: (transaction: TimelineTransaction, outcome: StoredClientTransaction) => void) => Promise<T>
    },
  ): Promise<T> {
    const earlier = await this.#storage.get(accountsTables.clientTransactions, key)
    if (earlier !== undefined) return actions.repeat(earlier)
    return actions.perform((transaction, outcome) => transaction.batch.put(accountsTables.clientTransactions, key, outcome))
  }
}
