import type { Key, Storage, StoredValue, Table } from './ports/storage.ts'

const pageSize = 1000

/** The whole of a table, page by page. */
export async function* everyEntry<K extends Key, V extends StoredValue>(
  storage: Storage,
  table: Table<K, V>,
): AsyncGenerator<{ readonly key: K; readonly value: V }> {
  let after: Key | undefined
  for (;;) {
    const page = await storage.range(table, { limit: pageSize, ...(after === undefined ? {} : { after }) })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)?.key
  }
}
