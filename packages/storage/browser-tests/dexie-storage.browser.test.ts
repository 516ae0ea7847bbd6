import { storageCases } from '@kith/testkit/storage-cases'
import fc from 'fast-check'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StorageRunner } from './runner-page.ts'
import { SuitePage } from './suite-page.ts'

declare const storageRunner: StorageRunner

let suite: SuitePage
let browser: BrowserContext
let page: Page

beforeAll(async () => {
  suite = await SuitePage.open(import.meta.dirname, 'storageRunner')
  ;({ browser, page } = suite)
})

afterAll(async () => suite?.[Symbol.asyncDispose]())

test.each(storageCases.map(({ name }) => name))('dexie keeps the promises of the storage port: %s', async (name) => {
  const { seed = 0 } = fc.readConfigureGlobal()
  expect(await page.evaluate(async (given) => storageRunner.runCase(given.name, given.seed), { name, seed })).toBe('ok')
})

test('a newer version in another tab takes over without loss, and the older one answers no more', async () => {
  expect(await page.evaluate(async () => storageRunner.upgrade())).toBe('ok')
})

test('a full quota fails the commit with StorageFullError and leaves the earlier ones whole', async () => {
  // An origin that has stored nothing yet: Chromium goes on granting for a while what it granted an origin before.
  const origin = new URL(page.url().replace('127.0.0.1', 'localhost')).origin
  const freshPage = await browser.newPage()
  const session = await browser.newCDPSession(freshPage)
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 8_000_000 })
  await freshPage.goto(origin)
  await freshPage.waitForFunction(() => 'storageRunner' in globalThis)
  expect(await freshPage.evaluate(async () => storageRunner.fillQuota())).toMatch(
    /^StorageFullError, (16|32) entries of the last two commits$/,
  )
})
