import type { Clock, Random } from '@kith/homeserver/ports'

/** The longest that a browser's timer can wait. */
const TIMER_MS_MAX = 0x7fff_ffff

export const browserClock: Clock = {
  now: () => Date.now(),
  sleep: (durationMs, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal.aborted) return Promise.reject(signal.reason as Error)
    const abort = () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', abort)
        resolve()
      },
      Math.min(durationMs, TIMER_MS_MAX),
    )
    signal.addEventListener('abort', abort, { once: true })
    return promise
  },
}

export const browserRandom: Random = {
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
}
