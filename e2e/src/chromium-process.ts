import { PATIENCE_MS } from '@kith/testkit/eventually'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../../tools/chromium.ts'

/** A Chromium process of its own on a persistent profile, which can be killed like a phone that runs out of power. */
export class ChromiumProcess implements AsyncDisposable {
  readonly #profileDirectory: string
  readonly #windowSize: { readonly width: number; readonly height: number }
  #child: ChildProcess | undefined
  #browser: Browser | undefined

  constructor(profileDirectory: string, windowSize = { width: 1280, height: 800 }) {
    this.#profileDirectory = profileDirectory
    this.#windowSize = windowSize
  }

  async start(): Promise<void> {
    const { width, height } = this.#windowSize
    const child = spawn(
      chromiumPath(),
      [
        '--headless=new',
        '--no-sandbox',
        '--no-first-run',
        '--disable-gpu',
        '--remote-debugging-port=0',
        `--window-size=${width},${height}`,
        `--user-data-dir=${this.#profileDirectory}`,
        'about:blank',
      ],
      // A group of its own, so that one signal ends the renderer and storage processes at the same moment.
      { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
    )
    this.#child = child
    const endpoint = await debuggerEndpoint(child)
    this.#browser = await chromium.connectOverCDP(endpoint, { timeout: PATIENCE_MS })
    this.context.setDefaultTimeout(PATIENCE_MS)
  }

  get context(): BrowserContext {
    const context = this.#browser?.contexts()[0]
    if (context === undefined) throw new Error('Chromium was not started')
    return context
  }

  async openPage(url: string): Promise<Page> {
    const page = await this.context.newPage()
    await page.setViewportSize(this.#windowSize)
    await page.goto(url)
    return page
  }

  /** SIGKILL to every process of this browser at once. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    process.kill(-child.pid, 'SIGKILL')
    await exited
    await this.#browser?.close().catch(() => undefined)
    this.#browser = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

async function debuggerEndpoint(child: ChildProcess): Promise<string> {
  if (child.stderr === null) throw new Error('Chromium was started without a pipe')
  for await (const line of createInterface({ input: child.stderr })) {
    const match = line.match(/^DevTools listening on (ws:\/\/\S+)$/)
    if (match?.[1] !== undefined) {
      child.stderr.resume()
      return match[1]
    }
  }
  throw new Error('Chromium ended before it listened for the debugger')
}
