import { limits } from '../limits.ts'
import type { PresenceInfo, PresenceState } from './presence.ts'

interface Connection {
  state: 'online' | 'unavailable'
  polls: number
  seenAt: number
}

/** What is known of one local user, of whom each client says and does something else. */
export class OwnPresence {
  readonly #devices = new Map<string, Connection>()
  #said: PresenceState | undefined
  #saidAt = Number.NEGATIVE_INFINITY
  #statusMessage: string | undefined
  #lastActiveAt: number | undefined
  /** Somebody looks at it from time to time. */
  isFollowed = false
  announcedAt = 0

  say(state: PresenceState, statusMessage: string | undefined, now: number): void {
    this.#said = state
    this.#saidAt = now
    this.#statusMessage = statusMessage
    if (state === 'online') this.#lastActiveAt = now
  }

  /** Returns what ends the connection. */
  connect(deviceId: string, state: 'online' | 'unavailable', now: number): (now: number) => void {
    const wasAway = !this.#isConnected(now)
    const connection = this.#devices.get(deviceId) ?? { state, polls: 0, seenAt: now }
    this.#devices.set(deviceId, connection)
    connection.state = state
    connection.polls++
    connection.seenAt = now
    if (wasAway && state === 'online') this.#lastActiveAt = now
    return (endedAt) => {
      connection.polls--
      connection.seenAt = endedAt
    }
  }

  act(now: number): void {
    this.#lastActiveAt = now
    if (this.#said === 'unavailable') this.#said = undefined
  }

  /** Other servers take silence for absence in the end. */
  mustRepeat(now: number): boolean {
    return this.see(now).state !== 'offline' && now - this.announcedAt >= limits.implementation.presenceRepeatMs
  }

  see(now: number): PresenceInfo {
    const state = this.#stateAt(now)
    const sinceActive = this.#lastActiveAt === undefined ? Number.POSITIVE_INFINITY : now - this.#lastActiveAt
    return {
      state,
      ...(this.#statusMessage === undefined ? {} : { statusMessage: this.#statusMessage }),
      ...(this.#lastActiveAt === undefined ? {} : { lastActiveAt: this.#lastActiveAt }),
      currentlyActive: state === 'online' && sinceActive < limits.implementation.presenceActiveMs,
    }
  }

  #stateAt(now: number): PresenceState {
    if (this.#said === 'offline' || !this.#isConnected(now)) return 'offline'
    const { presenceIdleMs } = limits.implementation
    const isIdle = this.#lastActiveAt === undefined || now - this.#lastActiveAt >= presenceIdleMs
    return this.#said === 'unavailable' || isIdle || !this.#someoneIsOnline(now) ? 'unavailable' : 'online'
  }

  #isConnected(now: number): boolean {
    for (const [deviceId, connection] of this.#devices) if (!isThere(connection, now)) this.#devices.delete(deviceId)
    return this.#devices.size > 0 || now - this.#saidAt < limits.implementation.presenceGraceMs
  }

  #someoneIsOnline(now: number): boolean {
    const connected = [...this.#devices.values()].filter((connection) => isThere(connection, now))
    return connected.length === 0 || connected.some(({ state }) => state === 'online')
  }
}

function isThere({ polls, seenAt }: Connection, now: number): boolean {
  return polls > 0 || now - seenAt < limits.implementation.presenceGraceMs
}
