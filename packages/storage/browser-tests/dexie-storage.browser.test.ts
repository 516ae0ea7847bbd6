import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { storageCases } from '@kith/testkit/storage-cases'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chromiumPath } from '../../../tools/chromium.ts'
import type { StorageRunner } from './runner-page.ts'

declare const storageRunner: StorageRunner

const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

let directory: string
let server: Server
let browser: BrowserContext
let page: Page

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'kith-dexie-'))
  await build({
    root: import.meta.dirname,
    logLevel: 'error',
    build: { outDir: join(directory, 'page'), emptyOutDir: true, minify: false, target: 'esnext' },
  })
  server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const file = path === '/' ? '/index.html' : path
    readFile(join(directory, 'page', file)).then(
      (body) => response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(body),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A profile on disk: in a private one IndexedDB lives in memory.
  browser = await chromium.launchPersistentContext(join(directory, 'profile'), { executablePath: chromiumPath(), args: ['--no-sandbox'] })
  page = await browser.newPage()
  page.setDefaultTimeout(55_000)
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await page.waitForFunction(() => 'storageRunner' in globalThis)
})

afterAll(async () => {
  await browser?.close()
  server?.close()
  rmSync(directory, { recursive: true, force: true })
})

test.each(storageCases.map(({ name }) => name))('dexie keeps the promises of the storage port: %s', async (name) => {
  expect(await page.evaluate(async (caseName) => storageRunner.runCase(caseName), name)).toBe('ok')
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
