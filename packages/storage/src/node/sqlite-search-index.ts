import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type SqlDatabase, SqlSearchIndex, type SqlValue } from '../search/sql-search-index.ts'

/** @param path of a file of its own; `:memory:` for an index that ends with the process. */
export function openSqliteSearchIndex(path: string): SqlSearchIndex {
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
