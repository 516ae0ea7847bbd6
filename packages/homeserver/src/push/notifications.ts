import {
  type EventId,
  ownString,
  parseUserId,
  redactsOf,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { Receipts } from '../ephemeral/receipts.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Entry, Storage } from '../ports/storage.ts'
import { mainTimeline, type Rooms, type StoredEvent, threadOf } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import type { TimelineRow } from '../timeline/tables.ts'
import { WatchedNumber } from '../watched-number.ts'
import { evaluatePush, type PushVerdict } from './evaluate.ts'
import { notificationTables, type StoredNotification } from './notification-tables.ts'
import type { PushRules } from './push-rules.ts'
import { pushSurroundingsOf } from './push-surroundings.ts'
import { type PlacedUnread, UnreadDraft, UnreadRooms } from './unread-rooms.ts'

export interface NotificationsParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly receipts: Receipts
  readonly pushRules: PushRules
  readonly accounts: Pick<Accounts, 'appServiceOf'>
  readonly clock: Clock
  readonly log: Log
  readonly serverName: ServerName
  /** What a user may not see notifies nobody. */
  readonly visibility: { isVisible(event: StoredEvent, userId: UserId): Promise<boolean> }
}

export interface PlacedNotification extends StoredNotification {
  /** In the stream. */
  readonly position: number
  readonly read: boolean
}

type StreamEntry = Entry<readonly [position: number], TimelineRow>

/**
 * Of what the push rules notify whom. It follows the stream: each event is judged once, by the rules and the room of the time when it
 * comes by, and each receipt takes away what it covers, so that counts are those of the place in the stream that was asked for.
 *
 * Invariants:
 * 1. What is stored for a stretch of the stream is durable together with the cursor behind it.
 * 2. Reading is one look into memory for the rooms that are read often.
 */
export class Notifications implements AsyncDisposable {
  readonly #parts: NotificationsParts
  readonly #unread: UnreadRooms
  readonly #cursor: WatchedNumber
  #durableCursor: number
  #running: Promise<void> | undefined
  readonly #writtenSincePruned = new Map<UserId, number>()
  readonly #closing = new AbortController()

  private constructor(parts: NotificationsParts, cursor: number) {
    this.#parts = parts
    this.#unread = new UnreadRooms(parts.storage)
    this.#cursor = new WatchedNumber(cursor)
    this.#durableCursor = cursor
  }

  /** It follows the stream from now on, so that what comes is judged when it comes. */
  static async open(parts: NotificationsParts): Promise<Notifications> {
    const notifications = new Notifications(parts, (await parts.storage.get(notificationTables.cursor, [])) ?? 0)
    notifications.#start()
    return notifications
  }

  #start(): void {
    void this.#follow(this.#closing.signal).catch((error: unknown) => {
      if (!this.#closing.signal.aborted) throw error
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running?.catch(() => undefined)
  }

  /** Up to here the stream was looked through. */
  get position(): number {
    return this.#cursor.value
  }

  /** Resolves as soon as notifications may have come that were not there at that position of the stream. */
  changed(position: number, signal: AbortSignal): Promise<void> {
    return this.#cursor.beyond(position, signal)
  }

  /** Looks through the stream up to a position. Where nothing can be stored the notifications stay behind, and reading goes on. */
  async reach(position: number): Promise<void> {
    while (this.#cursor.value < position) {
      const before = this.#cursor.value
      this.#running ??= this.#page().finally(() => (this.#running = undefined))
      try {
        await this.#running
      } catch (error) {
        this.#parts.log.warn('Notifications could not be stored', { error: error instanceof Error ? error.name : '' })
        return
      }
      if (this.#cursor.value === before) return
    }
  }

  async unreadIn(userId: UserId, roomId: RoomId): Promise<readonly PlacedUnread[]> {
    return this.#unread.of(userId, roomId)
  }

  /** The newest first, those before a position. */
  async page(userId: UserId, before: number | undefined, limit: number): Promise<PlacedNotification[]> {
    const rows = await this.#parts.storage.range(notificationTables.notifications, {
      prefix: [userId],
      ...(before === undefined ? {} : { before: [userId, before] }),
      reverse: true,
      limit,
    })
    const unread = await this.#parts.storage.getMany(
      notificationTables.unread,
      rows.map(({ key, value }) => [userId, value.roomId, key[1]] as const),
    )
    return rows.map(({ key, value }, index) => ({ ...value, position: key[1], read: unread[index] === undefined }))
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { timeline } = this.#parts
    for (let seen = this.#cursor.value; ;) {
      await timeline.changed(seen, signal)
      // Where nothing can be stored, the next attempt waits for the next change.
      seen = timeline.position
      await this.reach(seen)
    }
  }

  async #page(): Promise<void> {
    const { storage, timeline, rooms } = this.#parts
    const until = timeline.position
    const page = await timeline.since(this.#cursor.value, limits.implementation.notificationRowsPerCommitMax)
    const rows = page.filter(({ key }) => key[0] <= until)
    const events = await rooms.events(rows.flatMap(({ value }) => (value.kind === 'room-event' ? [value.eventId] : [])))
    const byId = new Map(events.flatMap((event) => (event === undefined ? [] : [[event.eventId, event] as const])))
    const draft = new UnreadDraft(this.#unread)
    for (const row of rows) await this.#look(draft, row, byId)
    const isFull = rows.length === limits.implementation.notificationRowsPerCommitMax
    const cursor = isFull ? (rows.at(-1)?.key[0] ?? until) : until
    // Stretches in which nobody is notified of anything cost no write.
    if (draft.batch.writes.length > 0 || cursor - this.#durableCursor >= limits.implementation.notificationRowsPerCommitMax) {
      draft.batch.put(notificationTables.cursor, [], cursor)
      await storage.commit(draft.batch.writes)
      this.#durableCursor = cursor
      draft.apply()
    }
    this.#cursor.growTo(cursor)
  }

  async #look(draft: UnreadDraft, { key: [position], value: row }: StreamEntry, events: ReadonlyMap<EventId, StoredEvent>): Promise<void> {
    if (row.kind === 'receipt') {
      if (this.#isNotified(row.userId)) await this.#takeReceipts(draft, row.userId, row.roomId)
    } else if (row.kind === 'room-event') {
      const event = events.get(row.eventId)
      if (event !== undefined) await this.#takeEvent(draft, event, position)
    } else if (row.kind === 'room-state') {
      for (const userId of row.ended ?? []) await draft.remove(userId, row.roomId, (unread) => unread.position <= position)
    }
  }

  async #takeEvent(draft: UnreadDraft, event: StoredEvent, position: number): Promise<void> {
    const { rooms } = this.#parts
    const { roomId, pdu } = event
    const thread = await threadOf(rooms, event)
    const sender = parseUserId(pdu.sender)
    // Whoever writes has read what is there, in that thread; where nobody knows which one it is, that says nothing.
    if (sender !== undefined && this.#isNotified(sender) && thread !== undefined)
      await draft.remove(sender, roomId, (unread) => unread.thread === thread && unread.position <= position)
    await this.#takeDeparture(draft, event)
    await this.#takeRedaction(draft, event)
    for (const { userId, verdict } of await this.#verdicts(event)) {
      if (!verdict.notify || !(await this.#mayKnow(event, userId))) continue
      const { eventId } = event
      await draft.add(userId, roomId, {
        position,
        eventId,
        sender: pdu.sender,
        thread: thread ?? mainTimeline,
        highlight: verdict.highlight,
      })
      const timestamp = this.#parts.clock.now()
      const { actions, highlight } = verdict
      draft.batch.put(notificationTables.notifications, [userId, position], {
        roomId,
        eventId: event.eventId,
        sender: pdu.sender,
        actions,
        highlight,
        timestamp,
      })
      await this.#prune(draft, userId)
    }
  }

  /** Of all whom the event may concern, judged at one moment: the state must not change meanwhile. */
  async #verdicts(event: StoredEvent): Promise<{ userId: UserId; verdict: PushVerdict }[]> {
    const { rooms, pushRules } = this.#parts
    const { roomId, pdu } = event
    if (event.status !== 'accepted' || event.redactedBy !== undefined) return []
    const concerned = new Set(this.#notifiedIn(roomId))
    const invited = pdu.type === 'm.room.member' && pdu.content['membership'] === 'invite' ? parseUserId(pdu.state_key) : undefined
    if (invited !== undefined && this.#isNotified(invited)) concerned.add(invited)
    concerned.delete(pdu.sender)
    const users = [...concerned]
    const rules = await Promise.all(users.map(async (userId) => pushRules.get(userId)))
    const [state, version] = [rooms.state(roomId), rooms.version(roomId)]
    if (state === undefined || version === undefined) return []
    return users.flatMap((userId, index) => {
      const ruleset = rules[index]
      if (ruleset === undefined) return []
      const surroundings = pushSurroundingsOf({ state, version }, userId, pdu.sender)
      return [{ userId, verdict: evaluatePush(ruleset, { ...pdu, room_id: roomId }, surroundings) }]
    })
  }

  /** Who is invited is told of that beside the room, whose events they may not see yet. */
  async #mayKnow(event: StoredEvent, userId: UserId): Promise<boolean> {
    const { pdu } = event
    if (pdu.type === 'm.room.member' && pdu.state_key === userId && pdu.content['membership'] === 'invite') return true
    return this.#parts.visibility.isVisible(event, userId)
  }

  /** Nothing is unread in a room that the user is not in. */
  async #takeDeparture(draft: UnreadDraft, { roomId, pdu }: StoredEvent): Promise<void> {
    if (pdu.type !== 'm.room.member') return
    const member = parseUserId(pdu.state_key)
    if (member === undefined || !this.#isNotified(member)) return
    const membership = ownString(pdu.content, 'membership')
    if (membership !== 'invite' && membership !== 'join') await draft.remove(member, roomId, () => true)
  }

  /** What was taken back is nothing to read any more. */
  async #takeRedaction(draft: UnreadDraft, { roomId, pdu }: StoredEvent): Promise<void> {
    const { rooms } = this.#parts
    const version = rooms.version(roomId)
    if (pdu.type !== 'm.room.redaction' || version === undefined) return
    const targetId = redactsOf(pdu, version) as EventId | undefined
    const target = targetId === undefined ? undefined : await rooms.event(targetId)
    const position = target?.redactedBy === undefined ? undefined : target.position
    if (position === undefined || target?.roomId !== roomId) return
    for (const userId of this.#notifiedIn(roomId)) {
      await draft.remove(userId, roomId, (unread) => unread.position === position)
      draft.batch.delete(notificationTables.notifications, [userId, position])
    }
  }

  /** Of a public and a private receipt the one that is ahead counts. */
  async #takeReceipts(draft: UnreadDraft, userId: UserId, roomId: RoomId): Promise<void> {
    const receipts = await this.#parts.receipts.ofUser(roomId, userId)
    const events = await this.#parts.rooms.events(receipts.map(({ eventId }) => eventId))
    const readUpTo = new Map<string, number>()
    for (const [index, { threadId }] of receipts.entries()) {
      const event = events[index]
      if (event?.roomId === roomId) readUpTo.set(threadId, Math.max(readUpTo.get(threadId) ?? 0, event.position ?? 0))
    }
    const everywhere = readUpTo.get('') ?? 0
    await draft.remove(userId, roomId, ({ position, thread }) => position <= Math.max(everywhere, readUpTo.get(thread) ?? 0))
  }

  /** Keeps what is stored for a user bounded, without counting it each time. */
  async #prune(draft: UnreadDraft, userId: UserId): Promise<void> {
    const { notificationsPerUserMax, notificationsPrunedAtOnceMax } = limits.implementation
    const written = (this.#writtenSincePruned.get(userId) ?? notificationsPrunedAtOnceMax) + 1
    this.#writtenSincePruned.set(userId, written)
    if (written < notificationsPrunedAtOnceMax) return
    this.#writtenSincePruned.set(userId, 0)
    const kept = await this.#parts.storage.range(notificationTables.notifications, {
      prefix: [userId],
      reverse: true,
      limit: notificationsPerUserMax,
    })
    const oldest = kept.at(-1)
    if (oldest === undefined || kept.length < notificationsPerUserMax) return
    const old = await this.#parts.storage.range(notificationTables.notifications, {
      prefix: [userId],
      before: oldest.key,
      limit: 2 * notificationsPrunedAtOnceMax,
    })
    for (const { key } of old) draft.batch.delete(notificationTables.notifications, key)
  }

  #notifiedIn(roomId: RoomId): UserId[] {
    const { rooms, serverName } = this.#parts
    return [...(rooms.state(roomId)?.joinedUsersOf(serverName) ?? [])].filter((userId) => this.#isNotified(userId))
  }

  /** Users of application services are not: a bridge has hundreds of them in a room, each of whom would be judged, stored and read by nobody. */
  #isNotified(userId: UserId): boolean {
    const { serverName, accounts } = this.#parts
    return serverNameOf(userId) === serverName && accounts.appServiceOf(userId) === undefined
  }
}
