import { createServer, type Server } from 'node:http'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { build } from 'vite'
import { chromiumPath } from '../../../tools/chromium.ts'
import type { RtcConnectionSummary } from '../src/rtc/rtc-messages.ts'
import type { PageCalls } from './page/page-calls.ts'

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

/** The test page, bundled as the app is, on a loopback address. */
export async function servePage(): Promise<{ readonly url: string } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-p2p-page-'))
  await build({
    root: join(import.meta.dirname, 'page'),
    logLevel: 'error',
    configFile: false,
    build: { outDir: directory, emptyOutDir: true, target: 'esnext' },
    worker: { format: 'es' },
  })
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname)
    readFile(join(directory, path === '/' ? 'index.html' : path)).then(
      (content) => response.writeHead(200, { 'content-type': TYPES[extname(path === '/' ? '.html' : path)] ?? 'text/html' }).end(content),
      () => response.writeHead(404).end(),
    )
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}/`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await rm(directory, { recursive: true })
    },
  }
}

async function listen(server: Server): Promise<number> {
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  return (server.address() as AddressInfo).port
}

export interface TestBrowser extends AsyncDisposable {
  readonly call: PageCalls
  readonly server: string
  summaries(): Promise<RtcConnectionSummary[]>
  /** Kills the process without a word to anyone. */
  kill(): Promise<void>
}

/** A Chromium process of its own with the test page, its network started. `pump`: as if data channels could not be transferred. */
export async function startBrowser(url: string, relays: readonly string[], { pump = false } = {}): Promise<TestBrowser> {
  const server = await chromium.launchServer({ executablePath: chromiumPath(), args: ['--no-sandbox'] })
  const browser = await chromium.connect(server.wsEndpoint())
  const page = await openPage(browser, pump ? `${url}?pump` : url)
  const call = callsOf(page)
  return {
    call,
    server: await call.start(relays),
    summaries: async () => page.evaluate(async () => (globalThis as unknown as PageGlobals).rtcSummaries()),
    kill: async () => server.kill(),
    [Symbol.asyncDispose]: async () => server.close(),
  }
}

interface PageGlobals {
  call(name: string, parameters: readonly unknown[]): Promise<unknown>
  rtcSummaries(): Promise<RtcConnectionSummary[]>
}

async function openPage(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(url)
  await page.waitForFunction(() => 'call' in globalThis)
  return page
}

function callsOf(page: Page): PageCalls {
  const call = async (name: keyof PageCalls, parameters: readonly unknown[]): Promise<unknown> =>
    page.evaluate(async (what) => (globalThis as unknown as PageGlobals).call(what.name, what.parameters), { name, parameters })
  return new Proxy({} as PageCalls, {
    get: (_target, name: keyof PageCalls | 'then') =>
      name === 'then' ? undefined : async (...parameters: unknown[]) => call(name, parameters),
  })
}
