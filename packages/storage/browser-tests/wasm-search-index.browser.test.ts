import { join } from 'node:path'
import { searchCases } from '@kith/testkit/search-cases'
import fc from 'fast-check'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SearchRunner } from './search/search-page.ts'
import { SuitePage } from './suite-page.ts'

declare const searchRunner: SearchRunner

let suite: SuitePage
let page: Page

beforeAll(async () => {
  suite = await SuitePage.open(join(import.meta.dirname, 'search'), 'searchRunner')
  ;({ page } = suite)
})

afterAll(async () => suite?.[Symbol.asyncDispose]())

test.each(searchCases.map(({ name }) => name))('SQLite in a worker keeps the promises of the search port: %s', async (name) => {
  const { seed = 0 } = fc.readConfigureGlobal()
  expect(await page.evaluate(async (given) => searchRunner.runCase(given), { name, seed })).toBe('ok')
})

test('a damaged file gives way to a new one', async () => {
  expect(await page.evaluate(async () => searchRunner.runCase({ name: 'damage', seed: 0 }))).toBe('ok')
})
