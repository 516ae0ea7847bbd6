import type { Clock } from '../ports/clock.ts'
import { type Rate, RateLimit } from './rate-limit.ts'

/**
 * How often a secret may be guessed: in each way, and by all strangers together. Whoever has one origin has as many as they like, and programs
 * name whatever origin they like, so that a limit for each way alone is none.
 */
export class GuessLimit {
  readonly #ways: RateLimit
  readonly #strangers: RateLimit

  constructor(clock: Clock, rates: { readonly ofWay: Rate; readonly ofStrangers: Rate }) {
    this.#ways = new RateLimit(clock, rates.ofWay)
    this.#strangers = new RateLimit(clock, rates.ofStrangers)
  }

  /**
   * @param secret what a stranger guesses at; undefined: the caller is none.
   * @throws MatrixError M_LIMIT_EXCEEDED when there is no attempt left.
   */
  check(way: string, secret: string | undefined): void {
    this.#ways.check(way)
    if (secret !== undefined) this.#strangers.check(secret)
  }

  /** A wrong one. */
  count(way: string, secret: string | undefined): void {
    this.#ways.count(way)
    if (secret !== undefined) this.#strangers.count(secret)
  }
}
