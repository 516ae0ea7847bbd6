export interface GivenCase {
  readonly name: string
  /** Of the cases that fast-check makes. */
  readonly seed: number
}

/** Hands a case to a worker, the only place where the browser gives an index its file; answers `ok` or what went wrong. */
async function runCase(given: GivenCase): Promise<string> {
  const worker = new Worker(new URL('./worker/search-worker.ts', import.meta.url), { type: 'module' })
  const { promise, resolve } = Promise.withResolvers<string>()
  worker.addEventListener('message', ({ data }: MessageEvent<string>) => resolve(data))
  worker.addEventListener('error', (event) => resolve(`the worker failed: ${event.message}`))
  worker.postMessage(given)
  try {
    return await promise
  } finally {
    worker.terminate()
  }
}

const searchRunner = { runCase }

export type SearchRunner = typeof searchRunner

Object.assign(globalThis, { searchRunner })
