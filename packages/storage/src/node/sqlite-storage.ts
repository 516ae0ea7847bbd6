import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import {
  type Entry,
  type Key,
  type RangeQuery,
  type Storage,
  type StoredValue,
  StorageFullError,
  type Table,
  type Write,
} from '@kith/homeserver/ports'
import { decodeKey, encodeKey, encodePrefixEnd } from './binary-key.ts'
import type { FaultPoint } from '../fault-point.ts'
import { GroupCommit, type PendingCommit } from '../group-commit.ts'
import { assertKey, assertRange } from '../key-order.ts'
import { copyStoredValue } from '../stored-value.ts'

/** How many commits share one transaction at most. */
const COMMITS_PER_GROUP_MAX = 256
/**
 * How long the log gets before its pages are copied into the file (16 MiB), which holds up everything for as long as several commits. Most
 * of what a commit writes are pages that the next one writes again, and of each only the last is copied.
 */
const PAGES_PER_CHECKPOINT = 4_000
/** https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5
const SQLITE_FULL = 13

export interface SqliteStorageOptions {
  readonly path: string
  readonly tableNames: readonly string[]
  readonly faultPoint?: FaultPoint
}

/** Another process has this database open. */
export class StorageInUseError extends Error {
  override readonly name = 'StorageInUseError'
}

interface TableStatements {
  readonly get: StatementSync
  readonly put: StatementSync
  readonly delete: StatementSync
  readonly ascending: StatementSync
  readonly descending: StatementSync
}

/**
 * The port on node:sqlite: one SQL table for each table, keys in an order-preserving encoding, JSON values as text, bytes as blobs.
 *
 * Invariants:
 * 1. The file is locked exclusively while open: one process, one connection.
 * 2. Each group of commits is one transaction, flushed to disk before any of them resolves; each commit in it is a savepoint of its own.
 */
export class SqliteStorage implements Storage {
  readonly #database: DatabaseSync
  readonly #tables: ReadonlyMap<string, TableStatements>
  readonly #faultPoint: FaultPoint | undefined
  readonly #groups = new GroupCommit({
    writeGroup: (group) => this.#writeGroup(group),
    groupMax: COMMITS_PER_GROUP_MAX,
    nextTurn: setImmediate,
  })

  constructor(database: DatabaseSync, tableNames: readonly string[], faultPoint: FaultPoint | undefined) {
    this.#database = database
    this.#tables = new Map(tableNames.map((name) => [name, prepareTable(database, name)]))
    this.#faultPoint = faultPoint
  }

  async commit(writes: readonly Write[]): Promise<void> {
    return this.#groups.commit(writes.map(copyWrite))
  }

  async get<K extends Key, V extends StoredValue>(table: Table<K, V>, key: K): Promise<V | undefined> {
    return this.#read(this.#table(table.name), key) as V | undefined
  }

  async getMany<K extends Key, V extends StoredValue>(table: Table<K, V>, keys: readonly K[]): Promise<(V | undefined)[]> {
    const statements = this.#table(table.name)
    return keys.map((key) => this.#read(statements, key) as V | undefined)
  }

  async range<K extends Key, V extends StoredValue>(table: Table<K, V>, query: RangeQuery): Promise<Entry<K, V>[]> {
    assertRange(query)
    const statements = this.#table(table.name)
    const { lower, lowerIsOpen, upper } = boundsOf(query)
    const statement = query.reverse === true ? statements.descending : statements.ascending
    const rows = statement.all(lower, lower, lowerIsOpen ? 1 : 0, upper, query.limit)
    return rows.map((row) => ({ key: decodeKey(row['key'] as Uint8Array) as K, value: decodeValue(row['value']) as V }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#groups.close(new Error('storage is closed'))
    if (this.#database.isOpen) this.#database.close()
  }

  #read(statements: TableStatements, key: Key): StoredValue | undefined {
    assertKey(key)
    const row = statements.get.get(encodeKey(key))
    return row === undefined ? undefined : decodeValue(row['value'])
  }

  #table(name: string): TableStatements {
    const statements = this.#tables.get(name)
    if (statements === undefined) throw new Error(`storage has no table ${name}`)
    return statements
  }

  async #writeGroup(group: readonly PendingCommit[]): Promise<void> {
    if (group.length === 1 || !this.#writeTogether(group)) for (const commit of group) this.#writeAlone(commit)
  }

  /** Returns false when nothing of the group was stored, so that each must be tried alone. */
  #writeTogether(group: readonly PendingCommit[]): boolean {
    const failures = new Map<PendingCommit, unknown>()
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      for (const commit of group) {
        const failure = this.#writeInSavepoint(commit)
        if (failure !== undefined) failures.set(commit, failure.error)
      }
      this.#database.exec('COMMIT')
    } catch {
      this.#rollBack()
      return false
    }
    for (const commit of group) {
      if (failures.has(commit)) commit.reject(toStorageError(failures.get(commit)))
      else commit.resolve()
    }
    return true
  }

  #writeInSavepoint(commit: PendingCommit): { error: unknown } | undefined {
    this.#database.exec('SAVEPOINT one')
    try {
      this.#apply(commit.writes)
      this.#database.exec('RELEASE one')
      return undefined
    } catch (error) {
      // SQLite ends the whole transaction by itself on some errors, a full disk among them; then the group goes one by one.
      if (!this.#database.isTransaction) throw error
      this.#database.exec('ROLLBACK TO one')
      this.#database.exec('RELEASE one')
      return { error }
    }
  }

  #writeAlone(commit: PendingCommit): void {
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      this.#apply(commit.writes)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      commit.reject(toStorageError(error))
      return
    }
    commit.resolve()
  }

  #apply(writes: readonly Write[]): void {
    for (const write of writes) {
      this.#faultPoint?.('write')
      const statements = this.#table(write.table)
      if (write.kind === 'put') statements.put.run(encodeKey(write.key), encodeValue(write.value))
      else statements.delete.run(encodeKey(write.key))
    }
    this.#faultPoint?.('commit')
  }

  #rollBack(): void {
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
  }
}

/**
 * @throws StorageInUseError when another process, or another storage of this one, has the file open.
 */
export function openSqliteStorage(options: SqliteStorageOptions): SqliteStorage {
  const database = new DatabaseSync(options.path)
  try {
    // Exclusive locking must be chosen before the first access: the journal then never needs shared memory, and the lock is kept.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec(`PRAGMA wal_autocheckpoint = ${PAGES_PER_CHECKPOINT}; BEGIN IMMEDIATE`)
    for (const name of options.tableNames) {
      database.exec(`CREATE TABLE IF NOT EXISTS ${quote(name)} (key BLOB NOT NULL UNIQUE, value NOT NULL)`)
    }
    database.exec('COMMIT')
    return new SqliteStorage(database, options.tableNames, options.faultPoint)
  } catch (error) {
    database.close()
    if (resultCode(error) === SQLITE_BUSY) {
      throw new StorageInUseError(`${options.path} is in use by another process; stop that one first`, { cause: error })
    }
    throw toStorageError(error)
  }
}

function prepareTable(database: DatabaseSync, name: string): TableStatements {
  const table = quote(name)
  const range = `SELECT key, value FROM ${table} WHERE key >= ? AND (key > ? OR ? = 0) AND key < ? ORDER BY key`
  return {
    get: database.prepare(`SELECT value FROM ${table} WHERE key = ?`),
    put: database.prepare(`INSERT INTO ${table} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`),
    delete: database.prepare(`DELETE FROM ${table} WHERE key = ?`),
    ascending: database.prepare(`${range} LIMIT ?`),
    descending: database.prepare(`${range} DESC LIMIT ?`),
  }
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

interface Bounds {
  readonly lower: Uint8Array
  readonly lowerIsOpen: boolean
  readonly upper: Uint8Array
}

function boundsOf(query: RangeQuery): Bounds {
  const prefix = query.prefix ?? []
  const prefixStart = encodeKey(prefix)
  const prefixEnd = encodePrefixEnd(prefix)
  const after = query.after === undefined ? undefined : encodeKey(query.after)
  const before = query.before === undefined ? undefined : encodeKey(query.before)
  const lowerIsOpen = after !== undefined && compareBytes(after, prefixStart) >= 0
  return {
    lower: lowerIsOpen ? after : prefixStart,
    lowerIsOpen,
    upper: before !== undefined && compareBytes(before, prefixEnd) < 0 ? before : prefixEnd,
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (const [index, byte] of a.entries()) {
    const other = b[index]
    if (other === undefined) return 1
    if (byte !== other) return byte - other
  }
  return a.length - b.length
}

function copyWrite(write: Write): Write {
  assertKey(write.key)
  return write.kind === 'put' ? { ...write, key: [...write.key], value: copyStoredValue(write.value) } : { ...write, key: [...write.key] }
}

function encodeValue(value: StoredValue): SQLInputValue {
  return value instanceof Uint8Array ? value : JSON.stringify(value)
}

function decodeValue(value: unknown): StoredValue {
  if (typeof value === 'string') return JSON.parse(value) as StoredValue
  return (value as Uint8Array).slice()
}

function resultCode(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  // Extended codes carry the primary one in their low byte.
  return typeof code === 'number' ? code & 0xff : undefined
}

function toStorageError(error: unknown): unknown {
  return resultCode(error) === SQLITE_FULL ? new StorageFullError('the disk is full', { cause: error }) : error
}
