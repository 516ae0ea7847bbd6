import type { UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { userLocked } from './restrictions.ts'

/** Requests that wait for news; they end when their user is locked. */
export class PollsUnderWay {
  readonly #accounts: Pick<Accounts, 'isRestricted'>
  readonly #polls = new Map<UserId, Set<AbortController>>()

  constructor(accounts: Pick<Accounts, 'isRestricted'>) {
    this.#accounts = accounts
  }

  /** @throws MatrixError M_USER_LOCKED, also when that happened since the request was let in. */
  async run<T>(userId: UserId, signal: AbortSignal, poll: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#accounts.isRestricted(userId, 'locked')) throw userLocked()
    const polls = this.#polls.getOrInsertComputed(userId, () => new Set())
    const ended = new AbortController()
    polls.add(ended)
    try {
      const answer = await poll(AbortSignal.any([signal, ended.signal]))
      ended.signal.throwIfAborted()
      return answer
    } catch (error) {
      // A poll may fail by its end in words of its own.
      ended.signal.throwIfAborted()
      throw error
    } finally {
      polls.delete(ended)
      if (polls.size === 0) this.#polls.delete(userId)
    }
  }

  /** After the lock is in place. */
  endOfLocked(userId: UserId): void {
    for (const poll of this.#polls.get(userId) ?? []) poll.abort(userLocked())
  }
}
