import {
  isJsonObject,
  type JsonObject,
  ownInteger,
  ownMember,
  ownString,
  parseUserId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Timeline } from '../timeline/index.ts'
import { WatchedNumber } from '../watched-number.ts'
import { OwnPresence } from './own-presence.ts'
import { PresencePlaces } from './presence-places.ts'

export type PresenceState = 'online' | 'offline' | 'unavailable'

/** What others see of a user. */
export interface PresenceInfo {
  readonly state: PresenceState
  readonly statusMessage?: string
  /** Undefined: never since this server began. */
  readonly lastActiveAt?: number
  readonly currentlyActive: boolean
}

interface Entry {
  readonly info: PresenceInfo
  /** The stream's position when this last changed; readers are behind it until they read from a later one. */
  readonly changedAt: number
  /** Of users of other servers: when silence counts as absence. */
  readonly expiresAt: number
}

const offline: PresenceInfo = { state: 'offline', currentlyActive: false }

/**
 * Who is there: of local users by what their clients do and say, of others by what their servers tell. In memory; nothing of it is ever
 * stored, and after a restart everybody is away until heard of.
 */
export class Presence implements Disposable {
  readonly #clock: Clock
  readonly #timeline: Timeline
  readonly #users = new Map<UserId, Entry>()
  readonly #own = new Map<UserId, OwnPresence>()
  readonly #places = new PresencePlaces(limits.implementation.presenceUsersPerServerMax, limits.implementation.presenceUsersMax)
  /** Who lost their place, and is away: clients that took them for present have to hear of it. Those who went first stand first. */
  readonly #displaced = new Set<UserId>()
  readonly #toAnnounce = new Set<UserId>()
  readonly #announcements = new WatchedNumber(0)
  readonly #closing = new AbortController()
  #lastChange = -1
  readonly #untold = new Set<UserId>()
  #telling = false
  #sweeping = false

  constructor(clock: Clock, timeline: Timeline) {
    this.#clock = clock
    this.#timeline = timeline
  }

  /** What a local user says; `offline` holds until they say something else, whatever their clients do. */
  set(userId: UserId, state: PresenceState, statusMessage: string | undefined): void {
    const own = this.#ownOf(userId)
    if (own === undefined) return
    own.say(state, statusMessage, this.#clock.now())
    this.#evaluate(userId, own)
  }

  /** A client of a local user listens, until the result is disposed of, and counts as connected for a while longer. */
  connect(userId: UserId, deviceId: string, state: PresenceState): Disposable {
    const own = state === 'offline' ? undefined : this.#ownOf(userId)
    if (own === undefined || state === 'offline') return { [Symbol.dispose]: () => {} }
    const end = own.connect(deviceId, state, this.#clock.now())
    this.#evaluate(userId, own)
    return { [Symbol.dispose]: () => end(this.#clock.now()) }
  }

  /** A local user did something. */
  active(userId: UserId): void {
    const own = this.#own.get(userId)
    if (own === undefined) return
    own.act(this.#clock.now())
    this.#evaluate(userId, own)
  }

  /** Undefined when nothing was heard of the user. */
  get(userId: UserId): PresenceInfo | undefined {
    const own = this.#own.get(userId)
    return own === undefined ? this.#users.get(userId)?.info : own.see(this.#clock.now())
  }

  /** Users of whom something changed after a position. */
  changedAfter(after: number): UserId[] {
    if (this.#lastChange < after) return []
    return [...this.#users].filter(([, { changedAt }]) => changedAt >= after).map(([userId]) => userId)
  }

  /** All who are not away. */
  present(): UserId[] {
    return [...this.#users].filter(([, { info }]) => info.state !== 'offline').map(([userId]) => userId)
  }

  /** Local users of whom other servers have to be told; they are gone from here. Resolves when there are some. */
  async toAnnounce(signal: AbortSignal): Promise<UserId[]> {
    while (this.#toAnnounce.size === 0) await this.#announcements.beyond(this.#announcements.value, signal)
    const users = [...this.#toAnnounce]
    this.#toAnnounce.clear()
    return users
  }

  /** `m.presence` of another server. Whatever is malformed, or not of a user of `origin` who is known here, is passed over. */
  receive(origin: ServerName, content: JsonObject, isKnown: (userId: UserId) => boolean): void {
    const updates = ownMember(content, 'push')
    if (!Array.isArray(updates)) return
    for (const update of updates.slice(0, limits.implementation.presenceUpdatesPerEduMax)) {
      if (!isJsonObject(update)) continue
      const userId = parseUserId(ownMember(update, 'user_id'))
      const info = readInfo(update, this.#clock.now())
      if (userId === undefined || info === undefined || serverNameOf(userId) !== origin || !isKnown(userId)) continue
      const displaced = this.#places.take(userId)
      if (displaced !== undefined) this.#displace(displaced)
      this.#displaced.delete(userId)
      this.#show(userId, info, this.#clock.now() + limits.implementation.presenceOfOthersLifetimeMs)
    }
    if (!this.#sweeping) void this.#sweep()
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
  }

  #displace(userId: UserId): void {
    const known = this.#users.get(userId)
    if (known === undefined) return
    this.#show(userId, { ...known.info, state: 'offline', currentlyActive: false }, known.expiresAt)
    this.#displaced.add(userId)
    const [oldest] = this.#displaced
    if (oldest === undefined || this.#displaced.size <= limits.implementation.presenceUsersMax) return
    this.#displaced.delete(oldest)
    this.#users.delete(oldest)
  }

  #ownOf(userId: UserId): OwnPresence | undefined {
    const known = this.#own.get(userId)
    if (known !== undefined || this.#own.size >= limits.implementation.presenceUsersMax) return known
    const own = new OwnPresence()
    this.#own.set(userId, own)
    return own
  }

  #evaluate(userId: UserId, own: OwnPresence): void {
    const now = this.#clock.now()
    const info = own.see(now)
    const isNews = this.#show(userId, info, Number.POSITIVE_INFINITY)
    if (isNews || own.mustRepeat(now)) {
      own.announcedAt = now
      this.#toAnnounce.add(userId)
      this.#announcements.growTo(this.#announcements.value + 1)
    }
    if (info.state !== 'offline' && !own.isFollowed) void this.#follow(userId, own)
  }

  /** Looks again from time to time, until the user is away: nobody says when they fall silent. */
  async #follow(userId: UserId, own: OwnPresence): Promise<void> {
    own.isFollowed = true
    while (this.#users.get(userId)?.info.state !== 'offline') {
      try {
        await this.#clock.sleep(limits.implementation.presenceCheckIntervalMs, this.#closing.signal)
      } catch {
        return
      }
      this.#evaluate(userId, own)
    }
    own.isFollowed = false
  }

  /** Users whose server fell silent are away. Ends when nobody of another server is there. */
  async #sweep(): Promise<void> {
    this.#sweeping = true
    for (;;) {
      const others = [...this.#users].filter(([, entry]) => entry.info.state !== 'offline' && entry.expiresAt !== Number.POSITIVE_INFINITY)
      if (others.length === 0) break
      const now = this.#clock.now()
      for (const [userId, { info, expiresAt }] of others)
        if (expiresAt <= now) this.#show(userId, { ...info, state: 'offline', currentlyActive: false }, expiresAt)
      try {
        await this.#clock.sleep(limits.implementation.presenceCheckIntervalMs, this.#closing.signal)
      } catch {
        return
      }
    }
    this.#sweeping = false
  }

  /** Whether anything changed that is worth telling: when somebody was last active is not, while they are. */
  #show(userId: UserId, info: PresenceInfo, expiresAt: number): boolean {
    const known = this.#users.get(userId)
    const { info: old, changedAt } = known ?? { info: offline, changedAt: -1 }
    const isNews = old.state !== info.state || old.statusMessage !== info.statusMessage || old.currentlyActive !== info.currentlyActive
    this.#users.set(userId, { info, changedAt, expiresAt })
    if (!isNews) return false
    this.#untold.add(userId)
    if (!this.#telling) void this.#tell()
    return true
  }

  /** The first change is told at once, what follows within a moment together: a server that never stops wakes nobody more often. */
  async #tell(): Promise<void> {
    this.#telling = true
    while (this.#untold.size > 0) {
      const position = this.#timeline.position
      for (const userId of this.#untold) {
        const entry = this.#users.get(userId)
        if (entry !== undefined) this.#users.set(userId, { ...entry, changedAt: position })
      }
      this.#untold.clear()
      this.#lastChange = position
      // Where no position can be had the change is told with the next one.
      this.#timeline.tick().catch(() => undefined)
      try {
        await this.#clock.sleep(limits.implementation.presenceTellIntervalMs, this.#closing.signal)
      } catch {
        return
      }
    }
    this.#telling = false
  }
}

function readInfo(update: JsonObject, now: number): PresenceInfo | undefined {
  const state = ownString(update, 'presence')
  if (state !== 'online' && state !== 'offline' && state !== 'unavailable') return undefined
  const statusMessage = ownString(update, 'status_msg')
  const activeAgo = ownInteger(update, 'last_active_ago')
  return {
    state,
    ...(statusMessage === undefined || statusMessage.length > limits.implementation.statusMessageCharactersMax ? {} : { statusMessage }),
    ...(activeAgo === undefined || activeAgo < 0 ? {} : { lastActiveAt: now - activeAgo }),
    currentlyActive: state === 'online' && ownMember(update, 'currently_active') === true,
  }
}

/** As told to clients and servers. @see https://spec.matrix.org/latest/client-server-api/#mpresence */
export function presenceContent({ state, statusMessage, lastActiveAt, currentlyActive }: PresenceInfo, now: number): JsonObject {
  return {
    presence: state,
    ...(lastActiveAt === undefined ? {} : { last_active_ago: Math.max(0, now - lastActiveAt) }),
    ...(state === 'online' ? { currently_active: currentlyActive } : {}),
    ...(statusMessage === undefined ? {} : { status_msg: statusMessage }),
  }
}
