import { test } from 'vitest'
import { MemorySearchIndex, SearchDisk } from './memory-search-index.ts'
import { searchCases } from './search-cases.ts'

const disks = new Map<string, SearchDisk>()

test.each(searchCases)('the memory engine keeps the promises of the search port: $name', async ({ run }) => {
  await run(async (place) => new MemorySearchIndex(disks.getOrInsertComputed(place, () => new SearchDisk())), crypto.randomUUID())
})
