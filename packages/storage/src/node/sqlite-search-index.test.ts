import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { searchCases } from '@kith/testkit/search-cases'
import { afterAll, expect, test } from 'vitest'
import { openSqliteSearchIndex } from './sqlite-search-index.ts'

const directory = mkdtempSync(join(tmpdir(), 'kith-search-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test.each(searchCases)('sqlite keeps the promises of the search port: $name', { timeout: 60_000 }, async ({ run }) => {
  await run(async (place) => openSqliteSearchIndex(join(directory, `${place}.sqlite`)), crypto.randomUUID())
})

test('a damaged file gives way to a new one; a place that cannot be written to does not', async () => {
  const path = join(directory, 'damaged.sqlite')
  writeFileSync(path, 'this is no database, although it is long enough to look like one'.repeat(100))
  await using index = openSqliteSearchIndex(path)
  expect(await index.position()).toBe(0)
  expect(() => openSqliteSearchIndex(join(directory, 'absent', 'index.sqlite'))).toThrow('unable to open')
})
