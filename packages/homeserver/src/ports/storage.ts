/**
 * An ordered, durable key-value store with named tables.
 *
 * A key is a tuple of strings and non-negative safe integers. Keys order component by component: numbers before strings,
 * numbers by value, strings by UTF-16 code unit, a shorter tuple before its extensions.
 *
 * Invariants that every engine keeps (see testkit's storage suite):
 * 1. A commit is applied whole or not at all, and is durable when its promise resolves.
 * 2. Commits become visible in the order in which `commit` was called. A commit that fails does not fail its neighbours.
 * 3. A read that begins after a commit resolved sees that commit.
 * 4. Values are returned as independent copies or must be treated as frozen: callers never mutate what they read.
 */
export type KeyPart = string | number
export type Key = readonly KeyPart[]

/** What a table may hold: JSON values and bytes. */
export type StoredValue = Uint8Array | object | string | number | boolean

/** A table's name with the shape of its keys and values; the types exist only for the compiler. */
export interface Table<K extends Key, V extends StoredValue> {
  readonly name: string
  readonly key?: K
  readonly value?: V
}

export interface Entry<K extends Key, V> {
  readonly key: K
  readonly value: V
}

export interface RangeQuery {
  /** Only keys that begin with these parts. */
  readonly prefix?: Key
  /** Only keys strictly after this one (a full or partial key, compared by the order above). */
  readonly after?: Key
  /** Only keys strictly before this one. */
  readonly before?: Key
  /** From the last key to the first. */
  readonly reverse?: boolean
  /** At most this many entries; a range without a bound does not exist. */
  readonly limit: number
}

export type Write =
  | { readonly kind: 'put'; readonly table: string; readonly key: Key; readonly value: StoredValue }
  | { readonly kind: 'delete'; readonly table: string; readonly key: Key }

export interface StorageReader {
  get<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K): Promise<V | undefined>
  /** One result a key, in the order of the keys. */
  getMany<K extends Key, V extends StoredValue>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]>
  range<K extends Key, V extends StoredValue>(table: Table<K, V>, query: RangeQuery): Promise<Entry<K, V>[]>
}

export interface Storage extends StorageReader, AsyncDisposable {
  /** @throws StorageFullError when the device has no room left; nothing of this commit was stored. */
  commit(writes: readonly Write[]): Promise<void>
}

/** The disk or the browser's quota is full. What was committed before stays readable. */
export class StorageFullError extends Error {
  override readonly name = 'StorageFullError'
}

/** Collects the writes of one commit, typed by table. The last write to a key wins. */
export class WriteBatch {
  readonly writes: Write[] = []

  put<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K, value: V): this {
    this.writes.push({ kind: 'put', table: table.name, key, value })
    return this
  }

  delete<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K): this {
    this.writes.push({ kind: 'delete', table: table.name, key })
    return this
  }
}
