import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type SqlDatabase, SqlSearchIndex, type SqlValue } from '../search/sql-search-index.ts'

/** https://sqlite.org/rescode.html */
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/**
 * A file that is damaged gives way to a new one, which is filled from the stream again.
 * @param path of a file of its own; `:memory:` for an index that ends with the process.
 */
export function openSqliteSearchIndex(path: string): SqlSearchIndex {
  try {
    return open(path)
  } catch (error) {
    if (!isDamage(error)) throw error
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
    return open(path)
  }
}

function open(path: string): SqlSearchIndex {
  const database = new NodeDatabase(path)
  try {
    // Durable at each commit, like the storage: what was applied is not read from the stream again.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    return new SqlSearchIndex(database)
  } catch (error) {
    database.close()
    throw error
  }
}

function isDamage(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof code === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}

class NodeDatabase implements SqlDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(path: string) {
    this.#database = new DatabaseSync(path)
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  all(sql: string, values: readonly SqlValue[]): Record<string, unknown>[] {
    return this.#statements.getOrInsertComputed(sql, () => this.#database.prepare(sql)).all(...values)
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }
}
