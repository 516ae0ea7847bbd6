import type { Entry, Key, RangeQuery, Storage, StoredValue, Table, Write } from '@kith/homeserver/ports'
import type { FaultPoint } from './fault-point.ts'
import { assertKey, assertRange, compareKeys, hasPrefix } from './key-order.ts'
import { copyStoredValue } from './stored-value.ts'

export type { FaultPoint } from './fault-point.ts'

interface MemoryEntry {
  readonly key: Key
  readonly value: StoredValue
}

/** What survives when a memory storage is closed; opening another on it is "the same disk". */
export class MemoryDisk {
  readonly tables = new Map<string, MemoryEntry[]>()
}

export interface MemoryStorageOptions {
  /** Default: a disk of its own. */
  readonly disk?: MemoryDisk
  /** When given, other tables are refused, as the durable engines do. */
  readonly tableNames?: readonly string[]
  readonly faultPoint?: FaultPoint
}

/** The simplest engine: sorted arrays. The reference that the others are compared with, and the disk of simulated worlds. */
export class MemoryStorage implements Storage {
  readonly #disk: MemoryDisk
  readonly #tableNames: ReadonlySet<string> | undefined
  readonly #faultPoint: FaultPoint | undefined
  #closed = false

  constructor(options: MemoryStorageOptions) {
    this.#disk = options.disk ?? new MemoryDisk()
    this.#tableNames = options.tableNames === undefined ? undefined : new Set(options.tableNames)
    this.#faultPoint = options.faultPoint
  }

  async commit(writes: readonly Write[]): Promise<void> {
    this.#assertOpen()
    // Copying first keeps the commit atomic: a value that cannot be stored throws before anything changed.
    const prepared = writes.map((write) => {
      this.#faultPoint?.('write')
      this.#assertTable(write.table)
      return prepareWrite(write)
    })
    this.#faultPoint?.('commit')
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
    this.#assertTable(table.name)
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
    this.#assertTable(table)
    const entries = this.#disk.tables.get(table)
    if (entries === undefined) return undefined
    const entry = entries[lowerBound(entries, key)]
    return isAt(entry, key) ? handOut(entry.value) : undefined
  }

  #apply(write: PreparedWrite): void {
    let entries = this.#disk.tables.get(write.table)
    if (entries === undefined) this.#disk.tables.set(write.table, (entries = []))
    const index = lowerBound(entries, write.key)
    const exists = isAt(entries[index], write.key)
    if (write.value === undefined) {
      if (exists) entries.splice(index, 1)
    } else if (index === entries.length) entries.push({ key: write.key, value: write.value })
    else entries.splice(index, exists ? 1 : 0, { key: write.key, value: write.value })
  }

  #assertTable(name: string): void {
    if (this.#tableNames?.has(name) === false) throw new Error(`storage has no table ${name}`)
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('storage is closed')
  }
}

export function openMemoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  return new MemoryStorage(options)
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

function isAt(entry: MemoryEntry | undefined, key: Key): entry is MemoryEntry {
  return entry !== undefined && compareKeys(entry.key, key) === 0
}

/** The index of the first entry in [first, end) of which `belongsBefore` is false; it must be true for all entries before that one. */
function partition(entries: readonly MemoryEntry[], first: number, end: number, belongsBefore: (key: Key) => boolean): number {
  let low = first
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry !== undefined && belongsBefore(entry.key)) low = middle + 1
    else high = middle
  }
  return low
}

/** The index of the first entry whose key is not before `key`. */
function lowerBound(entries: readonly MemoryEntry[], key: Key): number {
  return partition(entries, 0, entries.length, (candidate) => compareKeys(candidate, key) < 0)
}

function firstIndex(entries: readonly MemoryEntry[], query: RangeQuery): number {
  let index = query.prefix === undefined ? 0 : lowerBound(entries, query.prefix)
  if (query.after !== undefined) {
    let after = lowerBound(entries, query.after)
    if (isAt(entries[after], query.after)) after++
    index = Math.max(index, after)
  }
  return index
}

function endIndex(entries: readonly MemoryEntry[], query: RangeQuery, first: number): number {
  const { prefix } = query
  const end = query.before === undefined ? entries.length : lowerBound(entries, query.before)
  if (prefix === undefined || prefix.length === 0) return end
  return partition(entries, first, end, (key) => hasPrefix(key, prefix) || compareKeys(key, prefix) < 0)
}
