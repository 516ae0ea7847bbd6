/** A number that only grows, and that can be waited for: a stream position, a version. */
export class WatchedNumber {
  #value: number
  readonly #waiters = new Set<() => void>()

  constructor(value: number) {
    this.#value = value
  }

  get value(): number {
    return this.#value
  }

  /** Passes over what is not beyond the present value. */
  growTo(value: number): void {
    if (value <= this.#value) return
    this.#value = value
    for (const wake of [...this.#waiters]) wake()
  }

  /** Resolves as soon as the value is beyond `value`; rejects with the signal's reason. */
  async beyond(value: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#value > value) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason)
    const onGrowth = (): void => {
      if (this.#value > value) resolve()
    }
    this.#waiters.add(onGrowth)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      this.#waiters.delete(onGrowth)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
