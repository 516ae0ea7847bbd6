import type { Entry, Key, RangeQuery, Storage, StoredValue, Table, Write } from '@kith/homeserver/ports'
import { assertKey, assertRange, compareKeys, hasPrefix } from './key-order.ts'
import { copyStoredValue } from './stored-value.ts'

interface MemoryEntry {
  readonly key: Key
  readonly value: StoredValue
}

/** What survives when a memory storage is closed; opening another on it is "the same disk". */
export class MemoryDisk {
  readonly tables = new Map<string, MemoryEntry[]>()
}

/** The simplest engine: sorted arrays. The reference that the others are compared with, and the disk of simulated worlds. */
export class MemoryStorage implements Storage {
  readonly #disk: MemoryDisk
  #closed = false

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.#assertOpen()
    // Copying first keeps the commit atomic: a value that cannot be stored throws before anything changed.
    const prepared = writes.map(prepareWrite)
    for (const write of prepared) this.#apply(write)
  }

  async get<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K): Promise<V | undefined> {
    this.#assertOpen()
    return this.#find(table.name, key) as V | undefined
  }

  async getMany<K extends Key, V extends StoredValue>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]> {
    this.#assertOpen()
    return keys.map((key) => this.#find(table.name, key) as V | undefined)
  }

  async range<K extends Key, V extends StoredValue>(table: Table<K, V>, query: RangeQuery): Promise<Entry<K, V>[]> {
    this.#assertOpen()
    assertRange(query)
    const entries = this.#disk.tables.get(table.name) ?? []
    const first = firstIndex(entries, query)
    const end = endIndex(entries, query, first)
    const count = Math.min(query.limit, Math.max(0, end - first))
    const found = query.reverse === true ? entries.slice(end - count, end).reverse() : entries.slice(first, first + count)
    return found.map((entry) => ({ key: entry.key as K, value: handOut(entry.value) as V }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
  }

  #find(table: string, key: Key): StoredValue | undefined {
    assertKey(key)
    const entries = this.#disk.tables.get(table)
    if (entries === undefined) return undefined
    const entry = entries[lowerBound(entries, key)]
    return entry !== undefined && compareKeys(entry.key, key) === 0 ? handOut(entry.value) : undefined
  }

  #apply(write: PreparedWrite): void {
    let entries = this.#disk.tables.get(write.table)
    if (entries === undefined) this.#disk.tables.set(write.table, (entries = []))
    const index = lowerBound(entries, write.key)
    const exists = index < entries.length && compareKeys(entries[index]!.key, write.key) === 0
    if (write.value === undefined) {
      if (exists) entries.splice(index, 1)
    } else if (index === entries.length) entries.push({ key: write.key, value: write.value })
    else entries.splice(index, exists ? 1 : 0, { key: write.key, value: write.value })
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('storage is closed')
  }
}

export function openMemoryStorage(disk: MemoryDisk = new MemoryDisk()): MemoryStorage {
  return new MemoryStorage(disk)
}

interface PreparedWrite {
  readonly table: string
  readonly key: Key
  /** Absent: the key is deleted. */
  readonly value: StoredValue | undefined
}

function prepareWrite(write: Write): PreparedWrite {
  assertKey(write.key)
  const value = write.kind === 'put' ? copyStoredValue(write.value) : undefined
  return { table: write.table, key: Object.freeze([...write.key]), value }
}

/** Bytes cannot be frozen, so each reader gets its own. */
function handOut(value: StoredValue): StoredValue {
  return value instanceof Uint8Array ? value.slice() : value
}

/** The index of the first entry whose key is not before `key`. */
function lowerBound(entries: readonly MemoryEntry[], key: Key): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(entries[middle]!.key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function firstIndex(entries: readonly MemoryEntry[], query: RangeQuery): number {
  let index = query.prefix === undefined ? 0 : lowerBound(entries, query.prefix)
  if (query.after !== undefined) {
    let after = lowerBound(entries, query.after)
    if (after < entries.length && compareKeys(entries[after]!.key, query.after) === 0) after++
    index = Math.max(index, after)
  }
  return index
}

function endIndex(entries: readonly MemoryEntry[], query: RangeQuery, first: number): number {
  const { prefix } = query
  let end = query.before === undefined ? entries.length : lowerBound(entries, query.before)
  if (prefix === undefined || prefix.length === 0) return end
  let low = first
  while (low < end) {
    const middle = (low + end) >>> 1
    const key = entries[middle]!.key
    if (hasPrefix(key, prefix) || compareKeys(key, prefix) < 0) low = middle + 1
    else end = middle
  }
  return low
}
