import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { chromiumPath } from '../../../tools/chromium.ts'

const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }

/** A page that runs a suite, built as the app is, in a Chromium of its own whose profile is on disk: in a private one nothing is durable. */
export class SuitePage implements AsyncDisposable {
  readonly browser: BrowserContext
  readonly page: Page
  readonly #end: () => Promise<void>

  private constructor(browser: BrowserContext, page: Page, end: () => Promise<void>) {
    this.browser = browser
    this.page = page
    this.#end = end
  }

  /** `runner`: the global by which the page says that it is ready. */
  static async open(root: string, runner: string): Promise<SuitePage> {
    await using opening = new AsyncDisposableStack()
    const { path: directory } = opening.use(await makeTemporaryFolder('kith-suite-page-'))
    await build({
      root,
      logLevel: 'error',
      worker: { format: 'es' },
      build: { outDir: join(directory, 'page'), emptyOutDir: true, minify: false, target: 'esnext' },
    })
    const server = await serve(join(directory, 'page'))
    opening.defer(() => void server.close())
    const options = { executablePath: chromiumPath(), args: ['--no-sandbox'] }
    const browser = await chromium.launchPersistentContext(join(directory, 'profile'), options)
    opening.defer(async () => browser.close())
    const page = await browser.newPage()
    page.setDefaultTimeout(55_000)
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction((name) => name in globalThis, runner)
    const opened = opening.move()
    return new SuitePage(browser, page, async () => opened.disposeAsync())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }
}

async function serve(directory: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const file = path === '/' ? '/index.html' : path
    readFile(join(directory, file)).then(
      (body) => response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' }).end(body),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
