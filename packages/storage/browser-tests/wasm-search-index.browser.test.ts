import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { searchCases } from '@kith/testkit/search-cases'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chromiumPath } from '../../../tools/chromium.ts'
import type { SearchRunner } from './search/search-page.ts'

declare const searchRunner: SearchRunner

const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }

let directory: string
let server: Server
let browser: BrowserContext
let page: Page

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'kith-search-'))
  await build({
    root: join(import.meta.dirname, 'search'),
    logLevel: 'error',
    worker: { format: 'es' },
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
  // A profile on disk: a private one has no durable files.
  browser = await chromium.launchPersistentContext(join(directory, 'profile'), { executablePath: chromiumPath(), args: ['--no-sandbox'] })
  page = await browser.newPage()
  page.setDefaultTimeout(55_000)
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await page.waitForFunction(() => 'searchRunner' in globalThis)
})

afterAll(async () => {
  await browser?.close()
  server?.close()
  rmSync(directory, { recursive: true, force: true })
})

test.each(searchCases.map(({ name }) => name))('SQLite in a worker keeps the promises of the search port: %s', async (name) => {
  expect(await page.evaluate(async (caseName) => searchRunner.runCase(caseName), name)).toBe('ok')
})

test('a damaged file gives way to a new one', async () => {
  expect(await page.evaluate(async () => searchRunner.runCase('damage'))).toBe('ok')
})
