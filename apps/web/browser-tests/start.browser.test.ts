import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodePortLimits } from '../src/node-port/limits.ts'
import { openProfile } from './test-page.ts'

const startPath = fileURLToPath(new URL('../src/start/start.ts', import.meta.url))

let data: string
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'kith-start-'))
})
afterAll(async () => rm(data, { recursive: true, force: true }))

function start(environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [startPath], { stdio: 'pipe', env: { ...process.env, KITH_DATA: data, ...environment } })
}

async function readyUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('no pipe')
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /^Kith is ready at (http:\/\/localhost:\d+)$/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error(`Ended with ${child.exitCode}`)
}

async function stop(child: ChildProcess): Promise<number | null> {
  const exited = once(child, 'exit') as Promise<[number | null]>
  child.kill('SIGTERM')
  return (await exited)[0]
}

test('npm start serves the page, whose own homeserver answers Matrix clients in each of three tabs', { timeout: 180_000 }, async () => {
  const child = start({ PORT: '0', RELAY_PORT: '0' })
  try {
    const url = await readyUrl(child)
    const { relays } = (await (await fetch(`${url}/kith-config.json`)).json()) as { relays: string[] }
    expect(relays.some((address) => address.includes('/ws/'))).toBe(true)
    expect(relays.some((address) => address.includes('/webrtc-direct/'))).toBe(true)

    await using profile = await openProfile()
    for (const host of ['localhost', '127.0.0.1']) {
      const tabs = await Promise.all([1, 2, 3].map(async () => profile.context.newPage()))
      for (const tab of tabs) {
        await tab.goto(url.replace('localhost', host))
        await tab.waitForFunction(() => navigator.serviceWorker.controller !== null)
        const versions = await tab.evaluate(async () => (await fetch('/_matrix/client/versions')).json() as Promise<{ versions: string[] }>)
        expect(versions.versions).toContain('v1.19')
      }
      const unknown = await tabs[0]?.evaluate(async () => {
        const response = await fetch('/_matrix/client/v3/nothing')
        return { status: response.status, body: (await response.json()) as unknown }
      })
      expect(unknown).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
      // The first tab leads.
      const closedAt = performance.now()
      await tabs[0]?.close()
      await Promise.all(tabs.slice(1).map(async (tab) => tab.evaluate(async () => (await fetch('/_matrix/client/versions')).json())))
      // Sooner than anybody asks whether a silent node still lives.
      expect(performance.now() - closedAt).toBeLessThan(nodePortLimits.livenessCheckMs)
      await Promise.all(tabs.slice(1).map(async (tab) => tab.close()))
    }
  } finally {
    expect(await stop(child)).toBe(0)
  }
})

test.each(['PORT', 'RELAY_PORT'])('a taken %s ends the start with one line that names it', { timeout: 60_000 }, async (name) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? String(address?.port) : ''
  const child = start({ PORT: '0', RELAY_PORT: '0', [name]: port })
  const lines: string[] = []
  child.stderr?.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n')))
  const [code] = (await once(child, 'close')) as [number]
  taken.close()
  expect(code).toBe(1)
  const told = lines.filter((line) => line !== '')
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(new RegExp(`^Port ${port} is taken\\. .*${name}=`))
})
