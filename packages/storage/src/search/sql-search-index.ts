import type { SearchChanges, SearchDocument, SearchHit, SearchIndex, SearchQuery } from '@kith/homeserver/ports'

export type SqlValue = string | number

/** What the index needs of an SQLite that was compiled with FTS5: that of Node, and that in WebAssembly. */
export interface SqlDatabase {
  exec(sql: string): void
  /** All rows of a statement, which is prepared once. */
  all(sql: string, values: readonly SqlValue[]): Record<string, unknown>[]
  close(): void
}

/**
 * The words come normalised, so the tokenizer only has to split at spaces: `ascii` takes everything beyond ASCII for a part of a word, which
 * keeps the result the same whatever Unicode an SQLite was compiled with. The text itself is not stored a second time.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, room_id TEXT NOT NULL, sender TEXT NOT NULL, field TEXT NOT NULL, timestamp INTEGER NOT NULL
  );
  CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content = '', contentless_delete = 1, tokenize = 'ascii');
  CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL);
`

const INSERT = 'INSERT INTO documents (event_id, room_id, sender, field, timestamp) VALUES (?, ?, ?, ?, ?) RETURNING id'
const PROGRESS = 'INSERT INTO progress (id, position) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET position = excluded.position'

const MATCHING = `
  SELECT event_id, timestamp, -bm25(words) AS score FROM words JOIN documents ON documents.id = words.rowid
  WHERE words MATCH ? AND room_id IN (SELECT value FROM json_each(?)) AND field IN (SELECT value FROM json_each(?)) AND (? = '' OR sender = ?)`

/** The search index as tables of SQLite. */
export class SqlSearchIndex implements SearchIndex {
  readonly #database: SqlDatabase

  constructor(database: SqlDatabase) {
    this.#database = database
    database.exec(SCHEMA)
  }

  async position(): Promise<number> {
    const [row] = this.#database.all('SELECT position FROM progress', [])
    return row === undefined ? 0 : Number(row['position'])
  }

  async apply({ put, remove, upTo }: SearchChanges): Promise<void> {
    this.#transaction(() => {
      for (const eventId of remove) this.#remove(eventId)
      for (const document of put) this.#put(document)
      this.#database.all(PROGRESS, [upTo])
    })
  }

  async search(query: SearchQuery): Promise<SearchHit[]> {
    if (query.words.length === 0 || query.limit === 0) return []
    const by = query.order === 'recent' ? 'timestamp' : 'score'
    const behind = query.after === undefined ? '' : `WHERE ${by} < ? OR (${by} = ? AND event_id < ?)`
    const values: SqlValue[] = [
      query.words.map((word) => `"${word}"`).join(' '),
      JSON.stringify(query.roomIds),
      JSON.stringify(query.fields),
      query.sender ?? '',
      query.sender ?? '',
    ]
    if (query.after !== undefined) values.push(query.after.value, query.after.value, query.after.eventId)
    const sql = `SELECT * FROM (${MATCHING}) ${behind} ORDER BY ${by} DESC, event_id DESC LIMIT ?`
    return this.#database.all(sql, [...values, query.limit]).map((row) => ({
      eventId: String(row['event_id']),
      timestamp: Number(row['timestamp']),
      rank: Number(row['score']),
    }))
  }

  async clear(): Promise<void> {
    this.#transaction(() => this.#database.exec('DELETE FROM words; DELETE FROM documents; DELETE FROM progress'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close()
  }

  #put(document: SearchDocument): void {
    const { eventId, roomId, sender, field, words, timestamp } = document
    this.#remove(eventId)
    const [row] = this.#database.all(INSERT, [eventId, roomId, sender, field, timestamp])
    this.#database.all('INSERT INTO words (rowid, text) VALUES (?, ?)', [Number(row?.['id']), words.join(' ')])
  }

  #remove(eventId: string): void {
    const [row] = this.#database.all('DELETE FROM documents WHERE event_id = ? RETURNING id', [eventId])
    if (row !== undefined) this.#database.all('DELETE FROM words WHERE rowid = ?', [Number(row['id'])])
  }

  #transaction(run: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      run()
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }
}
