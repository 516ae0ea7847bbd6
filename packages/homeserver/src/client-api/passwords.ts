import type { UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { RateLimits } from './rate-limit.ts'
import type { UserIdentifier } from './schemas.ts'

/** Checks passwords, and lets nobody guess them for long. */
export class Passwords {
  readonly #accounts: Accounts
  readonly #rates: RateLimits

  constructor(accounts: Accounts, rates: RateLimits) {
    this.#accounts = accounts
    this.#rates = rates
  }

  /** The user whose password it is; undefined when it is not. @throws MatrixError M_LIMIT_EXCEEDED after too many wrong ones. */
  userOf(given: UserIdentifier & { readonly password?: string | undefined }): UserId | undefined {
    const name = nameIn(given)
    const userId = name === undefined ? undefined : this.#accounts.localUserId(name)
    if (userId === undefined || given.password === undefined) return undefined
    const { passwordFailures, passwordFailuresPerUser } = this.#rates
    passwordFailures.check()
    passwordFailuresPerUser.check(userId)
    if (this.#accounts.hasPassword(userId, given.password)) return userId
    passwordFailures.count()
    passwordFailuresPerUser.count(userId)
    return undefined
  }
}

/** Addresses and phone numbers name nobody here: none is ever bound to an account. */
function nameIn({ identifier, user }: UserIdentifier): string | undefined {
  if (identifier === undefined) return user
  return identifier.type === 'm.id.user' ? identifier.user : undefined
}
