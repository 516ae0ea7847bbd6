import type { Storage } from '@kith/homeserver/ports'

export interface WriteCount {
  readonly rows: number
  /** Of the rows as JSON. */
  readonly bytes: number
}

/** A storage that counts what is written to it. */
export class CountingStorage {
  readonly storage: Storage
  #rows = 0
  #bytes = 0

  constructor(inner: Storage) {
    this.storage = {
      get: (table, key) => inner.get(table, key),
      getMany: (table, keys) => inner.getMany(table, keys),
      range: (table, query) => inner.range(table, query),
      commit: (writes) => {
        this.#rows += writes.length
        for (const write of writes) this.#bytes += JSON.stringify(write).length
        return inner.commit(writes)
      },
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    }
  }

  get count(): WriteCount {
    return { rows: this.#rows, bytes: this.#bytes }
  }
}
