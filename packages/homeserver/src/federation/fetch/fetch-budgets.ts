import type { ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'

/** Takes one request from what somebody may cause; false when nothing is left for now. */
export type Allowance = () => boolean

type Cause = ServerName | 'strangers'

/**
 * How many requests to other servers each server may cause here by what it sends: a server that names events which do not exist must not
 * make this one ask everybody for ever. What was used comes back with time.
 */
export class FetchBudgets {
  readonly #clock: Clock
  /** Only of those who used something: a full budget needs no entry. */
  readonly #used = new Map<Cause, { requests: number; since: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many servers this remembers something of. */
  get size(): number {
    return this.#used.size
  }

  of(cause: ServerName): Allowance {
    return () => this.#take(cause)
  }

  /** What those have together who are not in the room, as far as this server knows: names cost nothing, so each of them having its own would be no bound. */
  ofStrangers(): Allowance {
    return () => this.#take('strangers')
  }

  #take(cause: Cause): boolean {
    const requests = this.#usedBy(cause) + 1
    if (requests > limits.implementation.fetchRequestsPerCauseMax) return false
    this.#used.delete(cause)
    this.#used.set(cause, { requests, since: this.#clock.now() })
    // Those who were silent longest have most of theirs back.
    for (const oldest of this.#used.keys()) {
      if (this.#used.size <= limits.implementation.fetchCausesMax) break
      this.#used.delete(oldest)
    }
    return true
  }

  #usedBy(cause: Cause): number {
    const entry = this.#used.get(cause)
    if (entry === undefined) return 0
    const returned = (this.#clock.now() - entry.since) / limits.implementation.fetchRequestReturnMs
    return Math.max(0, entry.requests - returned)
  }
}
