import type { SearchChanges, SearchHit, SearchIndex, SearchQuery } from '@kith/homeserver/ports'
import { type SqlDatabase, SqlSearchIndex } from './sql-search-index.ts'

/** https://sqlite.org/rescode.html */
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26
const FILE = '/index.sqlite'
/** One for the file, one for its journal, some for temporary files. */
const POOL_FILES = 4
/** KiB of pages in memory, whatever the size of the index. */
const CACHE_KIB = 4096

/**
 * The search index in a browser's worker: SQLite in WebAssembly, in a file of the origin private file system. Nothing is loaded before the
 * index is used for the first time. Where the browser gives no such file the index is in memory, and is filled anew at each start.
 * @param name tells the indexes of one origin apart.
 */
export function openWasmSearchIndex(name: string): SearchIndex {
  return new LazySearchIndex(async () => new SqlSearchIndex(await openDatabase(name)))
}

class LazySearchIndex implements SearchIndex {
  readonly #open: () => Promise<SearchIndex>
  #opening: Promise<SearchIndex> | undefined

  constructor(open: () => Promise<SearchIndex>) {
    this.#open = open
  }

  async position(): Promise<number> {
    return (await this.#opened()).position()
  }

  async apply(changes: SearchChanges): Promise<void> {
    return (await this.#opened()).apply(changes)
  }

  async search(query: SearchQuery): Promise<SearchHit[]> {
    return (await this.#opened()).search(query)
  }

  async clear(): Promise<void> {
    return (await this.#opened()).clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const index = await this.#opening?.catch(() => undefined)
    await index?.[Symbol.asyncDispose]()
  }

  async #opened(): Promise<SearchIndex> {
    this.#opening ??= this.#open()
    try {
      return await this.#opening
    } catch (error) {
      // A worker that has just ended may still hold the file; whoever asks again later may get it.
      this.#opening = undefined
      throw error
    }
  }
}

async function openDatabase(name: string): Promise<SqlDatabase> {
  const { default: initialise } = await import('@sqlite.org/sqlite-wasm')
  const sqlite = await initialise()
  if (!hasPrivateFiles()) return wrap(new sqlite.oo1.DB(':memory:'))
  const pool = await sqlite.installOpfsSAHPoolVfs({ name, directory: name, initialCapacity: POOL_FILES })
  const open = (): SqlDatabase => {
    const database = new pool.OpfsSAHPoolDb(FILE)
    try {
      database.exec(
        `PRAGMA cache_size = -${CACHE_KIB}; PRAGMA temp_store = MEMORY; PRAGMA synchronous = FULL; SELECT count(*) FROM sqlite_schema`,
      )
    } catch (error) {
      database.close()
      throw error
    }
    return wrap(database, () => pool.pauseVfs())
  }
  try {
    return open()
  } catch (error) {
    if (!isDamage(error)) throw error
    // It is filled from the stream again.
    await pool.wipeFiles()
    return open()
  }
}

function isDamage(error: unknown): boolean {
  const code: unknown = error instanceof Error && 'resultCode' in error ? error.resultCode : undefined
  return typeof code === 'number' && [SQLITE_CORRUPT, SQLITE_NOTADB].includes(code & 0xff)
}

/** Only dedicated workers may have them. */
function hasPrivateFiles(): boolean {
  return 'FileSystemFileHandle' in globalThis && 'createSyncAccessHandle' in FileSystemFileHandle.prototype
}

interface WasmDatabase {
  exec(options: { sql: string; bind?: readonly (string | number)[]; rowMode: 'object'; returnValue: 'resultRows' }): unknown[]
  close(): void
}

function wrap(database: WasmDatabase, onClosed: () => void = () => undefined): SqlDatabase {
  const all: SqlDatabase['all'] = (sql, values) =>
    database.exec({ sql, ...(values.length === 0 ? {} : { bind: values }), rowMode: 'object', returnValue: 'resultRows' }) as Record<
      string,
      unknown
    >[]
  return {
    exec: (sql) => void all(sql, []),
    all,
    close() {
      database.close()
      onClosed()
    },
  }
}
