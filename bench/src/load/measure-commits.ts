import type { Storage } from '@kith/homeserver/ports'

const commits = 300
const rowBytes = 1_024

/** How long one commit of one row takes until it is durable, when nothing else is asked of the storage. In ms. */
export async function measureCommits(storage: Storage, table: string): Promise<readonly number[]> {
  const value = { text: 'x'.repeat(rowBytes) }
  const durations: number[] = []
  for (let index = 0; index < commits; index++) {
    const startedAt = performance.now()
    await storage.commit([{ kind: 'put', table, key: ['alone', index], value }])
    durations.push(performance.now() - startedAt)
  }
  return durations
}
