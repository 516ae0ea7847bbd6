import type { Clock } from '../ports/clock.ts'

/** Ends a wait early. A wake that comes while nobody waits ends the next wait at once. */
export class Wake {
  #woken = false
  #waiter: (() => void) | undefined

  wake(): void {
    this.#woken = true
    this.#waiter?.()
  }

  /** A wake came since the last wait. */
  get isWoken(): boolean {
    return this.#woken
  }

  /** Forgets a wake that came while nobody waited. */
  clear(): void {
    this.#woken = false
  }

  /** Resolves when woken or after `durationMs` (Infinity: only when woken). One waiter at a time. @throws the signal's reason. */
  async wait(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (!this.#woken) await this.#waitForEither(clock, durationMs, signal)
    this.#woken = false
  }

  async #waitForEither(clock: Clock, durationMs: number, signal: AbortSignal): Promise<void> {
    const timer = new AbortController()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    this.#waiter = resolve
    signal.addEventListener('abort', onAbort, { once: true })
    if (durationMs !== Number.POSITIVE_INFINITY) {
      clock.sleep(Math.max(0, durationMs), timer.signal).then(resolve, () => undefined)
    }
    try {
      await promise
    } finally {
      this.#waiter = undefined
      signal.removeEventListener('abort', onAbort)
      timer.abort()
    }
  }
}
