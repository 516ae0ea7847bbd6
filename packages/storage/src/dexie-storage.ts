import {
  type Entry,
  type Key,
  type KeyPart,
  type RangeQuery,
  type Storage,
  type StoredValue,
  StorageFullError,
  type Table,
  type Write,
} from '@kith/homeserver/ports'
import { Dexie, type Table as DexieTable } from 'dexie'
import type { FaultPoint } from './fault-point.ts'
import { GroupCommit, type PendingCommit } from './group-commit.ts'
import { assertKey, assertRange, compareKeys } from './key-order.ts'
import { copyStoredValue } from './stored-value.ts'

/** How many commits share one transaction at most. */
const COMMITS_PER_GROUP_MAX = 256

export interface DexieStorageOptions {
  readonly name: string
  readonly tableNames: readonly string[]
  /** Grows by one whenever the list of tables changes. */
  readonly version: number
  readonly faultPoint?: FaultPoint
}

/**
 * The port on IndexedDB: one object store for each table, keys out of line as IndexedDB's own array keys, whose order is the port's.
 *
 * Invariants:
 * 1. Every transaction asks for strict durability: a commit that resolved is on the disk, not only in the operating system's cache.
 * 2. Each group of commits is one transaction. When it aborts, its commits are tried one by one, so that only the guilty fail.
 * 3. When another tab upgrades the database this storage closes, and every later operation throws.
 */
export class DexieStorage implements Storage {
  readonly #database: Dexie
  readonly #faultPoint: FaultPoint | undefined
  readonly #groups = new GroupCommit({ writeGroup: (group) => this.#writeGroup(group), groupMax: COMMITS_PER_GROUP_MAX })
  #closing: Promise<void> | undefined

  constructor(database: Dexie, faultPoint: FaultPoint | undefined) {
    this.#database = database
    this.#faultPoint = faultPoint
    // Returning nothing keeps Dexie's own reaction, closing at once, from running before our last commits are settled.
    database.on('versionchange', () => void this.#close(new Error('storage was taken over by a newer version in another tab')))
    database.on('close', () => void this.#close(new Error('the browser closed the storage')))
  }

  async commit(writes: readonly Write[]): Promise<void> {
    return this.#groups.commit(writes.map(copyWrite))
  }

  async get<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K): Promise<V | undefined> {
    assertKey(key)
    return await this.#database.table<V, KeyPart[]>(table.name).get(toIndexedKey(key))
  }

  async getMany<K extends Key, V extends StoredValue>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]> {
    for (const key of keys) assertKey(key)
    if (keys.length === 0) return []
    return await this.#database.table<V, KeyPart[]>(table.name).bulkGet(keys.map(toIndexedKey))
  }

  async range<K extends Key, V extends StoredValue>(table: Table<K, V>, query: RangeQuery): Promise<Entry<K, V>[]> {
    assertRange(query)
    const range = toKeyRange(query)
    if (range === undefined || query.limit === 0) return []
    const store = this.#database.backendDB().transaction(table.name, 'readonly').objectStore(table.name)
    return query.reverse === true ? readBackwards<K, V>(store, range, query.limit) : readForwards<K, V>(store, range, query.limit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close(new Error('storage is closed'))
  }

  /** Once only: closing fires the event that comes here. */
  async #close(reason: Error): Promise<void> {
    this.#closing ??= (async () => {
      await this.#groups.close(reason)
      this.#database.close({ disableAutoOpen: true })
    })()
    return this.#closing
  }

  async #writeGroup(group: readonly PendingCommit[]): Promise<void> {
    if (group.length > 1 && (await this.#tryWrite(group)) === undefined) {
      for (const commit of group) commit.resolve()
      return
    }
    for (const commit of group) {
      const failure = await this.#tryWrite([commit])
      if (failure === undefined) commit.resolve()
      else commit.reject(toStorageError(failure.error))
    }
  }

  async #tryWrite(group: readonly PendingCommit[]): Promise<{ error: unknown } | undefined> {
    try {
      await this.#write(group)
      return undefined
    } catch (error) {
      return { error }
    }
  }

  async #write(group: readonly PendingCommit[]): Promise<void> {
    const changes = this.#collect(group)
    if (changes.size === 0) return
    await this.#database.transaction('rw', [...changes.keys()], async () => {
      await Promise.all(Array.from(changes, async ([name, writes]) => applyChanges(this.#database.table(name), writes)))
      this.#faultPoint?.('commit')
    })
  }

  /** The last write to each key, by table: the order between different keys does not matter inside one transaction. */
  #collect(group: readonly PendingCommit[]): Map<string, Write[]> {
    const lastWrites = new Map<string, Map<string, Write>>()
    for (const write of group.flatMap((commit) => commit.writes)) {
      this.#faultPoint?.('write')
      let table = lastWrites.get(write.table)
      if (table === undefined) lastWrites.set(write.table, (table = new Map<string, Write>()))
      table.set(JSON.stringify(write.key), write)
    }
    return new Map(Array.from(lastWrites, ([name, writes]) => [name, [...writes.values()]]))
  }
}

export async function openDexieStorage(options: DexieStorageOptions): Promise<DexieStorage> {
  const database = new Dexie(options.name, { chromeTransactionDurability: 'strict', cache: 'disabled', autoOpen: false })
  database.version(options.version).stores(Object.fromEntries(options.tableNames.map((name) => [name, ''])))
  try {
    await database.open()
  } catch (error) {
    throw toStorageError(error)
  }
  return new DexieStorage(database, options.faultPoint)
}

/** The types of the bulk methods know no keys that mix strings and numbers; IndexedDB does. */
async function applyChanges(table: DexieTable<StoredValue, never>, writes: readonly Write[]): Promise<void> {
  const puts = writes.filter((write) => write.kind === 'put')
  const deletes = writes.filter((write) => write.kind === 'delete')
  const values = puts.map((write) => write.value)
  const keys = puts.map((write) => toIndexedKey(write.key))
  if (puts.length > 0) await table.bulkPut(values, keys as never)
  if (deletes.length > 0) await table.bulkDelete(deletes.map((write) => toIndexedKey(write.key)) as never)
}

/** IndexedDB's own array keys; its types want them mutable. */
function toIndexedKey(key: Key): KeyPart[] {
  return [...key]
}

/** Undefined for a range that cannot hold a key: IndexedDB would throw. An array comes after every string, so `[...prefix, []]` ends a prefix. */
function toKeyRange(query: RangeQuery): IDBKeyRange | undefined {
  const prefix = query.prefix ?? []
  const lowerIsOpen = query.after !== undefined && compareKeys(query.after, prefix) >= 0
  const lower = lowerIsOpen && query.after !== undefined ? query.after : prefix
  const prefixEnd: IDBValidKey = [...prefix, []]
  const upper: IDBValidKey = query.before !== undefined && indexedDB.cmp([...query.before], prefixEnd) < 0 ? [...query.before] : prefixEnd
  if (indexedDB.cmp([...lower], upper) >= 0) return undefined
  return IDBKeyRange.bound([...lower], upper, lowerIsOpen, true)
}

async function readForwards<K extends Key, V>(store: IDBObjectStore, range: IDBKeyRange, limit: number): Promise<Entry<K, V>[]> {
  const [keys, values] = await Promise.all([settle(store.getAllKeys(range, limit)), settle(store.getAll(range, limit) as IDBRequest<V[]>)])
  return values.map((value, index) => ({ key: keys[index] as unknown as K, value }))
}

/** IndexedDB reads many at once only forwards; backwards it takes a cursor. */
async function readBackwards<K extends Key, V>(store: IDBObjectStore, range: IDBKeyRange, limit: number): Promise<Entry<K, V>[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Entry<K, V>[]>()
  const entries: Entry<K, V>[] = []
  const request = store.openCursor(range, 'prev')
  request.addEventListener('error', () => reject(request.error))
  request.addEventListener('success', () => {
    const cursor = request.result
    if (cursor !== null) entries.push({ key: cursor.key as unknown as K, value: cursor.value as V })
    if (cursor === null || entries.length >= limit) resolve(entries)
    else cursor.continue()
  })
  return promise
}

async function settle<T>(request: IDBRequest<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  request.addEventListener('success', () => resolve(request.result))
  request.addEventListener('error', () => reject(request.error))
  return promise
}

function copyWrite(write: Write): Write {
  assertKey(write.key)
  return write.kind === 'put' ? { ...write, key: [...write.key], value: copyStoredValue(write.value) } : { ...write, key: [...write.key] }
}

/** Dexie wraps the browser's error, sometimes in an AbortError. */
function toStorageError(error: unknown): unknown {
  for (let cause: unknown = error; cause instanceof Error; cause = 'inner' in cause ? cause.inner : cause.cause) {
    if (cause.name === 'QuotaExceededError') return new StorageFullError('the browser grants no more space', { cause: error })
  }
  return error
}
