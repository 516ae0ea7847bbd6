import type { UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { limits } from '../limits.ts'
import { type Caller, nameOfCaller } from './caller.ts'
import type { RateLimits } from './rate-limits.ts'
import type { UserIdentifier } from './schemas.ts'

const strangers = 'strangers'

/**
 * Checks passwords, and lets nobody guess them for long.
 *
 * Invariants:
 * 1. A caller's wrong passwords hold up nobody who knows the right one: not the user themselves, nor programs, nor pages on which the user
 *    logged in before.
 * 2. All other callers together have, for one user and for all, attempts that do not grow with the origins that they come from.
 */
export class Passwords {
  readonly #accounts: Accounts
  readonly #rates: RateLimits
  /** Pages on which users gave the right password; those that did so last stand last. */
  readonly #familiar = new Set<string>()

  constructor(accounts: Accounts, rates: RateLimits) {
    this.#accounts = accounts
    this.#rates = rates
  }

  /** The user whose password it is; undefined when it is not. @throws MatrixError M_LIMIT_EXCEEDED after too many wrong ones. */
  userOf(given: UserIdentifier & { readonly password?: string | undefined }, caller: Caller): UserId | undefined {
    const name = nameIn(given)
    const userId = name === undefined ? undefined : this.#accounts.localUserId(name)
    if (userId === undefined || given.password === undefined) return undefined
    const { passwordFailures, passwordFailuresPerUser } = this.#rates
    const way = `${userId} ${nameOfCaller(caller)}`
    const shared = this.#sharedBy(caller, userId, way)
    const guessed = shared === strangers ? userId : undefined
    passwordFailures.check(shared)
    passwordFailuresPerUser.check(way, guessed)
    if (this.#accounts.hasPassword(userId, given.password)) {
      if (caller.kind === 'page') this.#remember(way)
      return userId
    }
    passwordFailures.count(shared)
    passwordFailuresPerUser.count(way, guessed)
    return undefined
  }

  /** With whom a caller shares the attempts at all passwords. */
  #sharedBy(caller: Caller, userId: UserId, way: string): string {
    if (caller.kind === 'program') return caller.kind
    const isTrusted = caller.kind === 'user' ? caller.userId === userId : this.#familiar.has(way)
    return isTrusted ? way : strangers
  }

  #remember(way: string): void {
    this.#familiar.delete(way)
    this.#familiar.add(way)
    const [oldest] = this.#familiar
    if (oldest !== undefined && this.#familiar.size > limits.implementation.familiarPagesMax) this.#familiar.delete(oldest)
  }
}

/** Addresses and phone numbers name nobody here: none is ever bound to an account. */
function nameIn({ identifier, user }: UserIdentifier): string | undefined {
  if (identifier === undefined) return user
  return identifier.type === 'm.id.user' ? identifier.user : undefined
}
