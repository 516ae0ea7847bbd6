import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { searchCases } from '@kith/testkit/search-cases'
import { afterAll, test } from 'vitest'
import { openSqliteSearchIndex } from './sqlite-search-index.ts'

const directory = mkdtempSync(join(tmpdir(), 'kith-search-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test.each(searchCases)('sqlite keeps the promises of the search port: $name', { timeout: 60_000 }, async ({ run }) => {
  await run(async (place) => openSqliteSearchIndex(join(directory, `${place}.sqlite`)), crypto.randomUUID())
})
