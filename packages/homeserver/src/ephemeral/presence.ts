import type { UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'

export type PresenceState = 'online' | 'offline' | 'unavailable'

export interface PresenceInfo {
  readonly state: PresenceState
  readonly statusMessage?: string
  readonly lastActiveAt: number
}

/** What local users say of their presence; in memory, not sent to other servers. */
export class Presence {
  readonly #clock: Clock
  readonly #users = new Map<UserId, PresenceInfo>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  set(userId: UserId, state: PresenceState, statusMessage: string | undefined): void {
    if (!this.#users.has(userId) && this.#users.size >= limits.implementation.presenceUsersMax) return
    this.#users.set(userId, {
      state,
      lastActiveAt: this.#clock.now(),
      ...(statusMessage === undefined ? {} : { statusMessage }),
    })
  }

  get(userId: UserId): PresenceInfo | undefined {
    return this.#users.get(userId)
  }
}
