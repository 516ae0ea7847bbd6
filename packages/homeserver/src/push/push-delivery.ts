import { isJsonObject, type JsonObject, ownMember, ownString, type UserId } from '@kith/matrix-protocol'
import { growingWaitMs } from '../growing-wait.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { PushGateway } from '../ports/push-gateway.ts'
import type { Entry, Storage } from '../ports/storage.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { WatchedNumber } from '../watched-number.ts'
import { notificationTables, type StoredNotification } from './notification-tables.ts'
import type { Notifications } from './notifications.ts'
import { invitesBetween, type PendingInvite } from './pending-invites.ts'
import { countsNotification, eventNotification, textsOf } from './push-notification.ts'
import type { PushRules } from './push-rules.ts'
import type { Pusher, PusherKey, PusherProgress } from './pusher-tables.ts'
import { keyOf, type Pushers } from './pushers.ts'

interface PushDeliveryParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly pushers: Pushers
  readonly pushRules: Pick<PushRules, 'get'>
  readonly notifications: Pick<Notifications, 'position' | 'reach'>
  readonly gateway: PushGateway
  readonly clock: Clock
  readonly log: Log
  /** A pusher goes with the device that set it. */
  readonly hasDevice: (userId: UserId, deviceId: string) => boolean
  /** Whether the user is to hear of anything; while they are not, their pushers rest. */
  readonly mayHear: (userId: UserId) => boolean
  /** Of them nobody is told. */
  readonly ignoredUsers: { of(userId: UserId): Promise<ReadonlySet<string>> }
}

type Placed = Entry<readonly [UserId, position: number], StoredNotification>

interface Body {
  readonly json: JsonObject
  readonly unread: number
}

interface Item {
  readonly position: number
  /** Undefined when there is nothing to tell of it any more. */
  readonly bodyOf: () => Promise<Body | undefined>
}

/** `idle`: nothing more to tell until something happens. */
type Step = 'more' | 'idle'

type Told =
  | { readonly kind: 'told'; readonly progress: PusherProgress }
  /** To be tried again at the time that the progress names. */
  | { readonly kind: 'failed'; readonly progress: PusherProgress }
  /** The gateway does not want it any more. */
  | { readonly kind: 'removed' }

/**
 * Tells push gateways of notifications, in their order, and of counts that changed.
 *
 * Invariants:
 * 1. A pusher has one request under way. What it tells next is what follows its durable progress, so that after a crash a notification
 *    may be told twice, but none is lost.
 * 2. A gateway that does not answer is tried again, ever more seldom; what is too old by then, or was read meanwhile, is not told.
 */
export class PushDelivery implements AsyncDisposable {
  readonly #parts: PushDeliveryParts
  readonly #stopping = new AbortController()
  /** Grows when something happened that pushers may have to tell. */
  readonly #news = new WatchedNumber(0)
  readonly #workers = new Map<string, Promise<void>>()
  readonly #following: Promise<void>

  constructor(parts: PushDeliveryParts) {
    this.#parts = parts
    parts.pushers.onSet((pusher) => this.#begin(pusher))
    for (const pusher of parts.pushers.all()) this.#begin(pusher)
    this.#following = this.#unlessStopped(this.#follow())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new DOMException('The server stops', 'AbortError'))
    await Promise.all([this.#following, ...this.#workers.values()])
  }

  /** Has notifications noticed also when no client asks for them. */
  async #follow(): Promise<void> {
    const { timeline, notifications, pushers } = this.#parts
    for (;;) {
      const { position } = timeline
      if (pushers.all().length > 0) {
        await notifications.reach(position)
        this.#news.growTo(this.#news.value + 1)
      }
      await timeline.changed(position, this.#stopping.signal)
    }
  }

  /** A pusher that is set again is tried at once, whatever became of the attempts before. */
  #begin(pusher: Pusher): void {
    const name = JSON.stringify(keyOf(pusher))
    this.#news.growTo(this.#news.value + 1)
    if (this.#workers.has(name)) return
    const work = this.#unlessStopped(this.#work(keyOf(pusher))).finally(() => {
      this.#workers.delete(name)
      // It may have been set again while its worker went.
      const again = this.#parts.pushers.get(keyOf(pusher))
      if (again !== undefined && !this.#stopping.signal.aborted) this.#begin(again)
    })
    this.#workers.set(name, work)
  }

  async #work(key: PusherKey): Promise<void> {
    const { clock, pushers, log } = this.#parts
    const { signal } = this.#stopping
    let progress = await pushers.progress(key)
    let pusher = pushers.get(key)
    while (pusher !== undefined) {
      if (progress.retryAt > clock.now()) await this.#rest(key, pusher, progress.retryAt)
      const seen = this.#news.value
      pusher = pushers.get(key)
      if (pusher === undefined) return
      if (!this.#parts.hasDevice(pusher.userId, pusher.deviceId)) return pushers.remove([key])
      try {
        const step = this.#parts.mayHear(pusher.userId) ? await this.#step(pusher, progress, (next) => (progress = next)) : 'idle'
        if (step === 'idle') await this.#news.beyond(seen, signal)
      } catch (error) {
        signal.throwIfAborted()
        log.warn('Pushing failed', { error: error instanceof Error ? error.name : 'unknown' })
        progress = { ...progress, retryAt: clock.now() + limits.implementation.pushRetryMs }
      }
    }
  }

  /** Until the time of the next attempt, or until the pusher is set again. */
  async #rest(key: PusherKey, pusher: Pusher, until: number): Promise<void> {
    const { clock, pushers } = this.#parts
    const woken = new AbortController()
    const either = AbortSignal.any([woken.signal, this.#stopping.signal])
    const changed = async (): Promise<void> => {
      while (pushers.get(key) === pusher) await this.#news.beyond(this.#news.value, either)
    }
    try {
      await Promise.race([clock.sleep(until - clock.now(), either), changed()])
    } finally {
      woken.abort()
    }
  }

  /** Tells the next notifications. `advance` hears how far that came. */
  async #step(pusher: Pusher, progress: PusherProgress, advance: (progress: PusherProgress) => void): Promise<Step> {
    const { items, isWhole } = await this.#next(pusher, progress.position)
    let current = progress
    for (const { position, bodyOf } of items) {
      if (!this.#parts.mayHear(pusher.userId)) return 'idle'
      const body = await bodyOf()
      if (body === undefined) {
        // Not worth a write: after a crash it is passed over again.
        advance((current = { ...current, position }))
        continue
      }
      const told = await this.#tell(pusher, current, position, body)
      if (told.kind === 'removed') return 'more'
      advance((current = told.progress))
      if (told.kind === 'failed') return 'more'
    }
    if (!isWhole) return 'more'
    const unread = await this.#countUnread(pusher.userId)
    if (unread === current.unread) return 'idle'
    const told = await this.#tell(pusher, current, current.position, { json: countsNotification(pusher, unread), unread })
    if (told.kind !== 'removed') advance(told.progress)
    return 'more'
  }

  /** What there may be to tell after a position, oldest first. */
  async #next(pusher: Pusher, after: number): Promise<{ readonly items: readonly Item[]; readonly isWhole: boolean }> {
    const { storage, notifications } = this.#parts
    const { userId } = pusher
    const limit = limits.implementation.pushesPerPageMax
    // What is behind it may still get notifications, which must not be passed over.
    const reached = notifications.position
    const page = await storage.range(notificationTables.notifications, { prefix: [userId], after: [userId, after], limit })
    const last = page.length === limit ? page.at(-1)?.key[1] : undefined
    const invites = await invitesBetween(this.#parts, userId, after, last ?? reached)
    const items = [
      ...(await this.#withUnread(userId, page)).map(({ entry, isUnread }) => ({
        position: entry.key[1],
        bodyOf: async () => (isUnread ? this.#bodyOf(pusher, entry) : undefined),
      })),
      ...invites.map((invite) => ({ position: invite.position, bodyOf: async () => this.#inviteBodyOf(pusher, invite) })),
    ]
    return { items: items.toSorted((one, other) => one.position - other.position), isWhole: last === undefined }
  }

  async #tell(pusher: Pusher, current: PusherProgress, position: number, { json, unread }: Body): Promise<Told> {
    const { pushers, clock, log, gateway } = this.#parts
    const key = keyOf(pusher)
    const outcome = await gateway.post(new URL(ownString(pusher.data, 'url') ?? ''), json, this.#stopping.signal)
    if (outcome.kind === 'answered' && outcome.status >= 200 && outcome.status < 300) {
      if (isRejected(outcome.body, pusher.pushkey)) {
        log.info('A push gateway knows a push key no more', { app: pusher.appId })
        await pushers.remove(
          pushers
            .all()
            .filter((other) => isSameAddress(other, pusher))
            .map(keyOf),
        )
        return { kind: 'removed' }
      }
      const progress = { position, unread, failures: 0, retryAt: 0 }
      await this.#keep(key, progress)
      return { kind: 'told', progress }
    }
    const { pushBackoffMinMs, pushBackoffMaxMs } = limits.implementation
    const waitMs = growingWaitMs(current.failures, pushBackoffMinMs, pushBackoffMaxMs)
    const progress = { ...current, failures: current.failures + 1, retryAt: clock.now() + waitMs }
    log.info('A push gateway did not take a notification', {
      app: pusher.appId,
      failures: progress.failures,
      reason: outcome.kind === 'answered' ? `status ${outcome.status}` : outcome.reason,
    })
    await this.#keep(key, progress)
    return { kind: 'failed', progress }
  }

  /** What cannot be stored holds in memory: nothing is told again before a restart. */
  async #keep(key: PusherKey, progress: PusherProgress): Promise<void> {
    try {
      await this.#parts.pushers.putProgress(key, progress)
    } catch (error) {
      this.#parts.log.warn('What was pushed could not be stored', { error: error instanceof Error ? error.name : 'unknown' })
    }
  }

  /** Undefined when there is nothing to tell of the event any more. */
  async #bodyOf(pusher: Pusher, { value }: Placed): Promise<Body | undefined> {
    const { rooms, clock, ignoredUsers } = this.#parts
    if (clock.now() - value.timestamp > limits.implementation.pushLifetimeMs) return undefined
    if ((await ignoredUsers.of(pusher.userId)).has(value.sender)) return undefined
    const event = await rooms.event(value.eventId)
    if (event === undefined) return undefined
    const unread = await this.#countUnread(pusher.userId)
    const textOf = textsOf(rooms.state(value.roomId))
    return { json: eventNotification(pusher, event, { textOf, actions: value.actions, unread }), unread }
  }

  /** Undefined when the invite was taken back, or answered, meanwhile. */
  async #inviteBodyOf(pusher: Pusher, invite: PendingInvite): Promise<Body | undefined> {
    const { rooms, ignoredUsers } = this.#parts
    const { roomId, position, actions, textOf, pdu } = invite
    if (rooms.invite(roomId, pusher.userId)?.position !== position) return undefined
    if ((await ignoredUsers.of(pusher.userId)).has(pdu.sender)) return undefined
    const unread = await this.#countUnread(pusher.userId)
    return { json: eventNotification(pusher, invite, { textOf, actions, unread }), unread }
  }

  async #withUnread(userId: UserId, page: readonly Placed[]): Promise<{ entry: Placed; isUnread: boolean }[]> {
    const keys = page.map(({ key, value }) => [userId, value.roomId, key[1]] as const)
    const unread = await this.#parts.storage.getMany(notificationTables.unread, keys)
    return page.map((entry, index) => ({ entry, isUnread: unread[index] !== undefined }))
  }

  /** Over all rooms, as far as anybody wants to see it counted. */
  async #countUnread(userId: UserId): Promise<number> {
    const limit = limits.implementation.pushUnreadCountedMax
    return (await this.#parts.storage.range(notificationTables.unread, { prefix: [userId], limit })).length
  }

  /** A task that ends with this, and whose failure is known. */
  async #unlessStopped(task: Promise<void>): Promise<void> {
    try {
      await task
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      this.#parts.log.error('Pushing ended unexpectedly', { error: error instanceof Error ? error.name : 'unknown' })
    }
  }
}

function isRejected(body: unknown, pushkey: string): boolean {
  const rejected = isJsonObject(body) ? ownMember(body, 'rejected') : undefined
  return Array.isArray(rejected) && rejected.includes(pushkey)
}

/** Who else is told by the same gateway under the same key. */
function isSameAddress(other: Pusher, pusher: Pusher): boolean {
  return other.appId === pusher.appId && other.pushkey === pusher.pushkey && other.data['url'] === pusher.data['url']
}
