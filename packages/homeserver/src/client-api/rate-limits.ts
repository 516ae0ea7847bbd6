import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import { GuessLimit } from './guess-limit.ts'
import { RateLimit } from './rate-limit.ts'

/** What a client may do in a time. */
export class RateLimits {
  readonly passwordFailures: RateLimit
  readonly passwordFailuresPerUser: GuessLimit
  readonly registrations: RateLimit
  readonly registrationTokenChecks: GuessLimit
  readonly loginTokensPerUser: RateLimit
  readonly changesPerUser: RateLimit
  readonly reportsPerUser: RateLimit

  constructor(clock: Clock) {
    const { implementation: rates } = limits
    this.passwordFailures = new RateLimit(clock, rates.passwordFailures)
    this.passwordFailuresPerUser = new GuessLimit(clock, {
      ofWay: rates.passwordFailuresPerUser,
      ofStrangers: rates.passwordFailuresOfStrangersPerUser,
    })
    this.registrations = new RateLimit(clock, rates.registrations)
    this.registrationTokenChecks = new GuessLimit(clock, {
      ofWay: rates.registrationTokenChecks,
      ofStrangers: rates.registrationTokenChecksOfPages,
    })
    this.loginTokensPerUser = new RateLimit(clock, rates.loginTokensPerUser)
    this.changesPerUser = new RateLimit(clock, rates.changesPerUser)
    this.reportsPerUser = new RateLimit(clock, rates.reportsPerUser)
  }
}
