import type { Clock } from '@kith/homeserver/ports'

interface Sleeper {
  readonly wakesAt: number
  readonly wake: () => void
}

/** Time that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #now: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs = 1_750_000_000_000) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  async sleep(durationMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const sleeper = { wakesAt: this.#now + Math.max(0, durationMs), wake: resolve }
    const onAbort = (): void => reject(signal.reason)
    this.#sleepers.add(sleeper)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      this.#sleepers.delete(sleeper)
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** When the next sleeper wakes; undefined when nobody sleeps. */
  get nextWake(): number | undefined {
    const times = Array.from(this.#sleepers, (sleeper) => sleeper.wakesAt)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Moves time to the next sleeper's hour, if it is not after `until`, and wakes it; those due at one time wake in the order in which they lay down. */
  wakeNext(until = Number.POSITIVE_INFINITY): boolean {
    const next = this.nextWake
    if (next === undefined || next > until) return false
    this.#now = Math.max(this.#now, next)
    for (const sleeper of this.#sleepers) {
      if (sleeper.wakesAt > next) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
      return true
    }
    return false
  }

  /** Moves time on, waking everybody on the way; what they do in between gets its turn before the next wakes. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs
    do await settleMicrotasks()
    while (this.wakeNext(end))
    this.#now = end
    await settleMicrotasks()
  }
}

/** Lets chains of resolved promises run; long enough for the in-memory engines, which wait for nothing else. */
export async function settleMicrotasks(turns = 100): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await Promise.resolve()
}
