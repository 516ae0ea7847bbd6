import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('SIGTERM to npm reaches the relay, which stops cleanly and leaves nothing listening', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kith-npm-'))
  const npm = spawn('npm', ['run', 'relay', '--', '--data', directory, '--port', '0', '--host', '127.0.0.1'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(npm, 'exit')
  const port = await listeningPort(npm.stdout)
  expect(await answers(port)).toBe(true)
  npm.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(await answers(port)).toBe(false)
  await rm(directory, { recursive: true, force: true })
})

async function listeningPort(output: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface({ input: output })) {
    const match = line.match(/^listening on \/ip4\/127\.0\.0\.1\/tcp\/(\d+)\/ws\//)
    if (match !== null) return Number(match[1])
  }
  throw new Error('The relay ended before it listened')
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
