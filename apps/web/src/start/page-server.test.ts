import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { servePage, type PageServer } from './page-server.ts'
import { StartError } from './settings.ts'

let directory: string
let server: PageServer
let relays: string[] | undefined

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kith-page-'))
  await mkdir(join(directory, 'assets'))
  await writeFile(join(directory, 'index.html'), '<!doctype html>')
  await writeFile(join(directory, 'service-worker.js'), '')
  await writeFile(join(directory, 'assets/main-abcdef.js'), '')
  await writeFile(join(directory, 'assets/crypto-abcdef.wasm'), '')
  server = await servePage({ directory, port: 0, config: () => relays && { relays } })
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

const ask = async (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`)

test.each([
  ['/', 'text/html;charset=utf-8', 'no-cache'],
  ['/?from=link', 'text/html;charset=utf-8', 'no-cache'],
  ['/service-worker.js', 'text/javascript', 'no-cache'],
  ['/assets/main-abcdef.js', 'text/javascript', 'public, max-age=31536000, immutable'],
  ['/assets/crypto-abcdef.wasm', 'application/wasm', 'public, max-age=31536000, immutable'],
])('%s is %s and cached as %s', async (path, type, caching) => {
  const response = await ask(path)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe(type)
  expect(response.headers.get('cache-control')).toBe(caching)
  expect(response.headers.get('content-security-policy')).toContain("script-src 'self' 'wasm-unsafe-eval'")
})

test('the config says which relays there are now', async () => {
  expect((await ask('/kith-config.json')).status).toBe(503)
  relays = ['/ip4/127.0.0.1/tcp/1/ws']
  const response = await ask('/kith-config.json')
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toEqual({ relays })
})

test.each([['/_matrix/client/versions'], ['/assets/gone.js'], ['/../package.json'], ['/%2e%2e/%2e%2e/etc/passwd']])(
  '%s is not here, in the words of Matrix',
  async (path) => {
    const response = await ask(path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ errcode: 'M_UNRECOGNIZED' })
  },
)

test('a taken port is told in one line that names it', async () => {
  const second = servePage({ directory, port: server.port, config: () => undefined })
  await expect(second).rejects.toThrow(StartError)
  await expect(second).rejects.toThrow(new RegExp(`^Port ${server.port} is taken\\..*PORT=`))
})
