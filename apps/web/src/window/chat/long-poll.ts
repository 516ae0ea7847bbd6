import { chatLimits } from './limits.ts'

/** Waits, but not longer than the signal allows. Never throws. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

/** Repeats `poll` until the signal aborts; after a failure it waits, longer each time. */
export async function keepPolling(poll: (signal: AbortSignal) => Promise<void>, onFailure: () => void, signal: AbortSignal): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    try {
      await poll(AbortSignal.any([signal, AbortSignal.timeout(chatLimits.pollTimeoutMs + chatLimits.pollGraceMs)]))
      failures = 0
    } catch {
      if (signal.aborted) return
      onFailure()
      const delays = chatLimits.retryDelaysMs
      await wait(delays[Math.min(failures, delays.length - 1)] ?? 0, signal)
      failures += 1
    }
  }
}
