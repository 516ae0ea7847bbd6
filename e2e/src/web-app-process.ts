import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.ts'

const startPath = fileURLToPath(new URL('../../apps/web/src/start/start.ts', import.meta.url))

/** What `npm start` runs: the web app and its relay, with data of their own. */
export interface WebApp extends AsyncDisposable {
  readonly url: string
  readonly relayPort: number
}

/** `transports`: which of the relay's addresses the page is told. */
export async function startWebApp(transports: 'all' | 'webrtc-direct'): Promise<WebApp> {
  const directory = await mkdtemp(join(tmpdir(), 'kith-web-'))
  const relayPort = await freePort()
  const child = spawn(process.execPath, [startPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      KITH_DATA: directory,
      PORT: String(await freePort()),
      RELAY_PORT: String(relayPort),
      ...(transports === 'webrtc-direct' ? { KITH_RELAY_TRANSPORTS: 'webrtc-direct' } : {}),
    },
  })
  const url = await readyUrl(child)
  return {
    url,
    relayPort,
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function readyUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('The web app was started without a pipe')
  for await (const line of createInterface({ input: child.stdout })) {
    const match = line.match(/^Kith is ready at (http:\/\/localhost:\d+)$/)
    if (match?.[1] === undefined) continue
    child.stdout.resume()
    return match[1]
  }
  throw new Error(`The web app ended with ${child.exitCode} before it was ready`)
}
