import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { identityFromSeed } from '../identity.ts'
import { startRelay } from './node-pairs.test-support.ts'

export const RELAY_IDENTITY = identityFromSeed(new Uint8Array(32).fill(5))

export interface RelayProcess {
  readonly addresses: readonly string[]
  /** Ends it without a word to anyone. */
  kill(): Promise<void>
  /** Asks it to stop; resolves with its exit code. */
  stop(): Promise<number | null>
}

/** A relay in a process of its own: a UDP port is listened on only once in the life of a process. */
export async function startRelayProcess(dataDirectory: string): Promise<RelayProcess> {
  const child = spawn(process.execPath, [import.meta.filename, dataDirectory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [line]: unknown[] = await once(createInterface(child.stdout), 'line')
  return {
    addresses: String(line).split(' '),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
  }
}

if (import.meta.main) {
  const relay = await startRelay({ identity: RELAY_IDENTITY, dataDirectory: process.argv[2] ?? '', listen: { host: '127.0.0.1', port: 0 } })
  process.once('SIGTERM', () => void relay.network[Symbol.asyncDispose]())
  process.stdout.write(`${relay.network.addresses().join(' ')}\n`)
}
