import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { chromium, type BrowserContext } from 'playwright-core'
import { build, type Plugin } from 'vite'
import { chromiumPath } from '../../../tools/chromium.ts'
import { serviceWorkerPlugin } from '../src/build/service-worker-plugin.ts'
import { servePage } from '../src/start/page-server.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const echoHomeserver: Plugin = {
  name: 'echo-homeserver',
  enforce: 'pre',
  resolveId: (id) => (id.endsWith('/start-homeserver.ts') ? here('worker/echo-homeserver.ts') : undefined),
}

export interface TestPage extends AsyncDisposable {
  readonly url: string
  /** Ends the server only; what was built stays. */
  readonly stopServing: () => Promise<void>
}

/** Builds the page without UI and with a stand-in for the homeserver, and serves it as `npm start` does. */
export async function buildAndServeTestPage(): Promise<TestPage> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-test-page-'))
  await build({
    configFile: false,
    root: here('page'),
    logLevel: 'warn',
    build: { outDir: directory, emptyOutDir: true, target: 'es2022' },
    worker: { format: 'es', plugins: () => [echoHomeserver] },
    plugins: [serviceWorkerPlugin({ source: here('../src/service-worker/service-worker.ts'), fileName: 'service-worker.js' })],
  })
  const server = await servePage({ directory, port: 0, config: () => ({ relays: [] }) })
  return {
    url: `http://localhost:${server.port}`,
    stopServing: async () => server[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export interface TestProfile extends AsyncDisposable {
  readonly context: BrowserContext
}

/** A Chromium on a profile of its own. */
export async function openProfile(): Promise<TestProfile> {
  await using opening = new AsyncDisposableStack()
  const profile = opening.use(await makeTemporaryFolder('kith-profile-'))
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: chromiumPath(),
    headless: true,
    args: ['--no-sandbox'],
  })
  opening.defer(async () => context.close())
  const opened = opening.move()
  return { context, [Symbol.asyncDispose]: async () => opened.disposeAsync() }
}
