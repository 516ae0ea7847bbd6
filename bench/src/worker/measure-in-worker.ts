import { openDexieStorage } from '@kith/storage/dexie'
import { measureNode } from '../load/measure-node.ts'

async function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, durationMs)
  const onAbort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

async function report(): Promise<object> {
  let databases = 0
  try {
    const measurements = await measureNode({
      open: async (tableNames) => openDexieStorage({ name: `bench-${databases++}`, tableNames, version: 1 }),
      clock: { now: () => Date.now(), sleep },
      random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    })
    return { measurements }
  } catch (error) {
    return { failure: error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error) }
  }
}

await fetch('/report', { method: 'POST', body: JSON.stringify(await report()) })
