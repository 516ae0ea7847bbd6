import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Clock } from '../ports/clock.ts'

export interface Rate {
  /** What may come at once. */
  readonly burst: number
  /** How soon each of it may come again. */
  readonly returnMs: number
}

/** For each key a bucket that fills up with time and is emptied by use. Buckets that are full again are forgotten. */
export class RateLimit {
  readonly #clock: Clock
  readonly #rate: Rate
  /** When the bucket of a key is full again; those used last stand last. */
  readonly #fullAt = new Map<string, number>()

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
  }

  /** Takes one. @throws MatrixError M_LIMIT_EXCEEDED when there is none. */
  take(key = ''): void {
    this.check(key)
    this.count(key)
  }

  /** @throws MatrixError M_LIMIT_EXCEEDED when there is none to take. */
  check(key = ''): void {
    const { burst, returnMs } = this.#rate
    const missingMs = Math.max(0, (this.#fullAt.get(key) ?? 0) - this.#clock.now())
    const waitMs = Math.ceil(missingMs - (burst - 1) * returnMs)
    if (waitMs > 0) throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many requests', { retry_after_ms: waitMs })
  }

  /** Takes one whether it is there or not: for what is known to count only afterwards. */
  count(key = ''): void {
    const now = this.#clock.now()
    const fullAt = Math.max(now, this.#fullAt.get(key) ?? 0) + this.#rate.returnMs
    this.#fullAt.delete(key)
    this.#fullAt.set(key, fullAt)
    if (this.#fullAt.size > limits.implementation.rateKeysMax) this.#forget(now)
  }

  /** Those that are full, and if there is none the one that was used longest ago. */
  #forget(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key)
    const [oldest] = this.#fullAt.keys()
    if (oldest !== undefined && this.#fullAt.size > limits.implementation.rateKeysMax) this.#fullAt.delete(oldest)
  }
}
