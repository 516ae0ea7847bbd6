const DATABASE_NAME = 'kith-identity'
const STORE_NAME = 'identity'
const SEED_KEY = 'seed'
const RELAYS_KEY = 'relays'
const SEED_BYTES = 32

/** What makes this node the one it is: a small database of its own, so that no change of the homeserver's tables ever touches it. */
export class IdentityDatabase implements Disposable {
  readonly #database: IDBDatabase

  private constructor(database: IDBDatabase) {
    this.#database = database
  }

  /** @throws DOMException when the browser keeps no data for this page. */
  static async open(): Promise<IdentityDatabase> {
    const request = indexedDB.open(DATABASE_NAME, 1)
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore(STORE_NAME))
    return new IdentityDatabase(await settled(request))
  }

  /** The 32 bytes of the node's Ed25519 seed, made at the first start. On the disk when it returns. */
  async seed(): Promise<Uint8Array<ArrayBuffer>> {
    const transaction = this.#database.transaction(STORE_NAME, 'readwrite', { durability: 'strict' })
    const store = transaction.objectStore(STORE_NAME)
    const existing: unknown = await settled(store.get(SEED_KEY))
    if (existing !== undefined) {
      // A new identity would silently replace the old one.
      if (!(existing instanceof Uint8Array) || existing.byteLength !== SEED_BYTES) throw new Error('The stored identity is damaged')
      return Uint8Array.from(existing)
    }
    const seed = crypto.getRandomValues(new Uint8Array(SEED_BYTES))
    store.add(seed, SEED_KEY)
    await completed(transaction)
    return seed
  }

  /** The relays that the page was last served with, for starting offline. */
  async relays(): Promise<readonly string[]> {
    const stored: unknown = await settled(this.#database.transaction(STORE_NAME).objectStore(STORE_NAME).get(RELAYS_KEY))
    return Array.isArray(stored) ? stored.filter((address) => typeof address === 'string') : []
  }

  async putRelays(relays: readonly string[]): Promise<void> {
    const transaction = this.#database.transaction(STORE_NAME, 'readwrite')
    transaction.objectStore(STORE_NAME).put([...relays], RELAYS_KEY)
    await completed(transaction)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  request.addEventListener('success', () => resolve(request.result))
  request.addEventListener('error', () => reject(request.error ?? new Error('The database request failed')))
  return promise
}

function completed(transaction: IDBTransaction): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  transaction.addEventListener('complete', () => resolve())
  transaction.addEventListener('abort', () => reject(transaction.error ?? new Error('The database transaction was aborted')))
  return promise
}
