import type { Clock } from '../ports/clock.ts'

/** Real time, for clients that have timers of their own. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(durationMs, signal) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal.aborted) return Promise.reject(signal.reason)
    const timer = setTimeout(resolve, durationMs)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        reject(signal.reason)
      },
      { once: true },
    )
    return promise
  },
}
