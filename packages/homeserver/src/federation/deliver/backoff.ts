import { growingWaitMs } from '../../growing-wait.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'

/** When to try again: soon after the first failure, ever later after the next ones, never at the same moment as others. */
export class Backoff {
  readonly #clock: Clock
  readonly #random: Random
  #failures = 0
  #dueAt = 0

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  get failing(): boolean {
    return this.#failures > 0
  }

  /** ms until the next try; 0 when it is due. */
  get remainingMs(): number {
    return Math.max(0, this.#dueAt - this.#clock.now())
  }

  reset(): void {
    this.#failures = 0
    this.#dueAt = 0
  }

  /** `atLeastMs`: what the other side asked for. */
  fail(atLeastMs = 0): void {
    const { deliverBackoffMinMs, deliverBackoffMaxMs } = limits.implementation
    const fullMs = growingWaitMs(this.#failures, deliverBackoffMinMs, deliverBackoffMaxMs)
    this.#failures++
    const delayMs = Math.round(fullMs / 2 + (fullMs / 2) * this.#fraction())
    this.#dueAt = this.#clock.now() + Math.max(delayMs, Math.min(atLeastMs, deliverBackoffMaxMs))
  }

  #fraction(): number {
    const [high = 0, low = 0] = this.#random.bytes(2)
    return (high * 256 + low) / 65_536
  }
}
