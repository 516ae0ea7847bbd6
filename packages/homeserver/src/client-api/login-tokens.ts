import { encodeBase64Url, type UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { hashToken } from '../accounts/devices.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'

interface LoginToken {
  readonly userId: UserId
  /** What the user proved to be themselves with; the token is worth nothing once that is another one. */
  readonly credential: object | undefined
  readonly expiresAt: number
}

/**
 * Tokens with which a user lets another client in, once and soon. They are in memory: after a restart a new one is asked for.
 * @see https://spec.matrix.org/latest/client-server-api/#post_matrixclientv1loginget_token
 */
export class LoginTokens {
  readonly #accounts: Pick<Accounts, 'credential'>
  readonly #clock: Clock
  readonly #random: Random
  /** By hash, in the order in which they end. */
  readonly #tokens = new Map<string, LoginToken>()

  constructor(accounts: Pick<Accounts, 'credential'>, clock: Clock, random: Random) {
    this.#accounts = accounts
    this.#clock = clock
    this.#random = random
  }

  issue(userId: UserId): { readonly token: string; readonly expiresInMs: number } {
    const { loginTokenLifetimeMs: expiresInMs, loginTokensMax } = limits.implementation
    const now = this.#clock.now()
    for (const [hash, { expiresAt }] of this.#tokens) {
      if (expiresAt > now && this.#tokens.size < loginTokensMax) break
      this.#tokens.delete(hash)
    }
    const token = `kithl_${encodeBase64Url(this.#random.bytes(32))}`
    this.#tokens.set(hashToken(token), { userId, credential: this.#accounts.credential(userId), expiresAt: now + expiresInMs })
    return { token, expiresInMs }
  }

  /** Whose token it is. It is used up, whatever comes of the login. */
  redeem(token: string): UserId | undefined {
    const hash = hashToken(token)
    const found = this.#tokens.get(hash)
    this.#tokens.delete(hash)
    if (found === undefined || found.expiresAt <= this.#clock.now()) return undefined
    return found.credential === this.#accounts.credential(found.userId) ? found.userId : undefined
  }

  /** Ends all tokens of a user. */
  revoke(userId: UserId): void {
    for (const [hash, token] of this.#tokens) if (token.userId === userId) this.#tokens.delete(hash)
  }
}
