import { join } from 'node:path'
import { eventually } from '@kith/testkit/eventually'
import type { StoreFindings } from '@kith/testkit/store-check'
import type { Page } from 'playwright-core'
import { build } from 'vite'
import { ApiAccount, type Ask } from './api-account.ts'
import { ChromiumProcess } from './chromium-process.ts'
import type { KillVictim } from './kill-victim.ts'

const DATABASE = 'kith-homeserver'
/** A page of the origin that is not the app. */
const PLAIN_PATH = '/kith-config.json'

interface PageGlobals {
  checkIndexedDb(name: string): Promise<{ faults: string[]; roomIds: string[]; accepted: [string, string][] }>
}

/** The homeserver in a worker of Chromium, on a profile that outlives the browser's processes. Its node belongs to a new user. */
export async function startBrowserVictim(url: string, profileDirectory: string): Promise<KillVictim & AsyncDisposable> {
  const check = await bundleCheck()
  const browser = new ChromiumProcess(profileDirectory)
  await browser.start()
  let page = await openApp(browser, url)
  const ask: Ask = async (method, path, body, token) =>
    page.evaluate(
      async (request) => {
        const response = await fetch(request.path, {
          method: request.method,
          headers: request.token === undefined ? {} : { authorization: `Bearer ${request.token}` },
          ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        })
        return { status: response.status, body: await response.json() }
      },
      { method, path, body, token },
    )
  const account = await ApiAccount.register(ask, 'bob')
  return {
    account,
    kill: async () => browser.kill(),
    checkStore: async () => {
      await browser.start()
      page = await browser.openPage(`${url}${PLAIN_PATH}`)
      await page.evaluate(check)
      const found = await page.evaluate(async (name) => (globalThis as unknown as PageGlobals).checkIndexedDb(name), DATABASE)
      return { faults: found.faults, roomIds: new Set(found.roomIds), accepted: new Map(found.accepted) } satisfies StoreFindings
    },
    start: async () => {
      page = await openApp(browser, url)
    },
    [Symbol.asyncDispose]: async () => browser.kill(),
  }
}

/** Resolves when the homeserver in the page answers. */
async function openApp(browser: ChromiumProcess, url: string): Promise<Page> {
  const page = await browser.openPage(url)
  await eventually('the homeserver in the page answers', 60_000, async () =>
    page.evaluate(async () => (await fetch('/_matrix/client/versions')).status === 200),
  )
  return page
}

/** The check as one script. */
async function bundleCheck(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'esnext',
      lib: { entry: join(import.meta.dirname, 'check-indexed-db.ts'), formats: ['iife'], name: 'kithCheck' },
    },
  })
  const [chunk] = Array.isArray(built) ? built.flatMap(({ output }) => output) : 'output' in built ? built.output : []
  if (chunk?.type !== 'chunk') throw new Error('the check was not built')
  return chunk.code
}
