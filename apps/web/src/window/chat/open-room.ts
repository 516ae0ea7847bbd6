import type { MatrixClient, Room } from 'matrix-js-sdk'
import { observableValue } from '../observable.ts'
import type { Member, RoomTimeline, RoomView } from './chat-model.ts'
import type { DeliveryWatch } from './delivery-watch.ts'
import { describeFailure } from './failure-text.ts'
import { chatLimits } from './limits.ts'
import type { Outbox, OutboxItem, PutOutcome } from './outbox.ts'
import { nameIn, timelineEventOf, transactionIdOf } from './room-events.ts'
import { progressOf, progressOfItem, recipientsOf } from './room-progress.ts'
import { timelineItems } from './timeline-items.ts'
import type { MessageEvent, TimelineEvent } from './timeline-items.ts'

export interface OpenRoomOptions {
  readonly client: MatrixClient
  readonly room: Room
  readonly ownUserId: string
  readonly ownName: () => string
  readonly outbox: Outbox
  readonly deliveries: DeliveryWatch
}

const typingTimeoutMs = 10_000

/** A room as its screen shows it: the SDK's timeline, then what the outbox still has. */
export class OpenRoom implements RoomView {
  readonly roomId: string
  readonly timeline = observableValue<RoomTimeline>({
    items: [],
    hasOlder: true,
    loadingOlder: false,
    olderFailed: undefined,
    generation: 0,
  })
  readonly members = observableValue<readonly Member[]>([])
  readonly typing = observableValue<readonly string[]>([])
  readonly #options: OpenRoomOptions
  #refreshTimer: ReturnType<typeof setTimeout> | undefined
  #readUpTo: string | undefined
  #typingSince: number | undefined

  constructor(options: OpenRoomOptions) {
    this.#options = options
    this.roomId = options.room.roomId
    // Names of everybody are needed for the members and for who has not got a message yet.
    options.room.loadMembersIfNeeded().then(
      () => this.refreshSoon(),
      () => undefined,
    )
    this.refresh()
  }

  /** Sync brings many events at once: they make one change. */
  refreshSoon(): void {
    this.#refreshTimer ??= setTimeout(() => this.refresh(), 16)
  }

  refresh(): void {
    clearTimeout(this.#refreshTimer)
    this.#refreshTimer = undefined
    const { room } = this.#options
    this.timeline.set({ ...this.timeline.get(), items: timelineItems(this.#events()), hasOlder: hasOlder(room) })
    this.members.set(membersOf(room, this.#options.ownUserId))
    this.typing.set(typingNames(room, this.#options.ownUserId))
  }

  /** The server left a gap: the SDK dropped what it had loaded. */
  reset(): void {
    this.timeline.set({ ...this.timeline.get(), generation: this.timeline.get().generation + 1 })
    this.refreshSoon()
  }

  readonly loadOlder = async (): Promise<void> => {
    const { client, room } = this.#options
    if (this.timeline.get().loadingOlder || !hasOlder(room)) return
    this.timeline.set({ ...this.timeline.get(), loadingOlder: true, olderFailed: undefined })
    try {
      await client.scrollback(room, chatLimits.historyPageEvents)
      this.timeline.set({ ...this.timeline.get(), loadingOlder: false })
    } catch (error) {
      this.timeline.set({ ...this.timeline.get(), loadingOlder: false, olderFailed: describeFailure(error) })
    }
    this.refresh()
  }

  readonly markRead = (): void => {
    const { client, room, ownUserId } = this.#options
    const last = room
      .getLiveTimeline()
      .getEvents()
      .findLast((event) => event.status === null && event.getId()?.startsWith('$'))
    const eventId = last?.getId()
    if (last === undefined || eventId === undefined || eventId === this.#readUpTo) return
    if (room.getEventReadUpTo(ownUserId, true) === eventId) return
    this.#readUpTo = eventId
    client.sendReadReceipt(last).catch(() => {
      // Not worth a word to anybody: the next message tries again.
      this.#readUpTo = undefined
    })
  }

  readonly setTyping = (typing: boolean): void => {
    const { client } = this.#options
    const now = Date.now()
    if (typing && this.#typingSince !== undefined && now - this.#typingSince < typingTimeoutMs / 2) return
    if (!typing && this.#typingSince === undefined) return
    this.#typingSince = typing ? now : undefined
    client.sendTyping(this.roomId, typing, typingTimeoutMs).catch(() => undefined)
  }

  readonly send = (text: string): Promise<PutOutcome> => this.#options.outbox.put(this.roomId, text)
  readonly retry = (transactionId: string): Promise<void> => this.#options.outbox.retry(transactionId)
  readonly drop = (transactionId: string): Promise<void> => this.#options.outbox.drop(transactionId)

  close(): void {
    clearTimeout(this.#refreshTimer)
  }

  #events(): TimelineEvent[] {
    const { client, room, ownUserId, outbox, deliveries } = this.#options
    const recipients = recipientsOf(room, ownUserId)
    const knowledge = deliveries.knowledge.get()
    const shown: TimelineEvent[] = []
    const known = new Set<string>()
    for (const event of room.getLiveTimeline().getEvents()) {
      if (event.shouldAttemptDecryption()) void client.decryptEventIfNeeded(event)
      const row = timelineEventOf(event, room, ownUserId)
      const eventId = event.getId() ?? ''
      const transactionId = transactionIdOf(event)
      if (transactionId !== undefined) known.add(transactionId)
      known.add(eventId)
      if (row === undefined) continue
      const own = row.kind === 'message' && row.own && row.body.kind !== 'deleted'
      shown.push(own ? { ...row, progress: progressOf(eventId, recipients, knowledge) } : row)
    }
    const waiting = outbox.items
      .get()
      .filter(({ entry, eventId }) => entry.roomId === this.roomId && !known.has(entry.transactionId) && !known.has(eventId ?? ''))
      .map((item) => ({ ...this.#rowOf(item), progress: progressOfItem(item, recipients, knowledge) }))
    return [...shown, ...waiting]
  }

  #rowOf({ entry }: OutboxItem): MessageEvent {
    const { ownUserId, ownName } = this.#options
    return {
      kind: 'message',
      key: entry.transactionId,
      senderId: ownUserId,
      senderName: ownName(),
      own: true,
      atMs: entry.writtenAtMs,
      body: { kind: 'text', text: entry.text, style: 'normal' },
    }
  }
}

function hasOlder(room: Room): boolean {
  return typeof room.oldState.paginationToken === 'string'
}

function typingNames(room: Room, ownUserId: string): string[] {
  return room
    .getJoinedMembers()
    .filter((member) => member.typing && member.userId !== ownUserId)
    .map((member) => nameIn(room, member.userId))
}

function membersOf(room: Room, ownUserId: string): Member[] {
  const joined = room.getJoinedMembers().map(({ userId }) => ({ userId, membership: 'join' as const }))
  const invited = room.getMembersWithMembership('invite').map(({ userId }) => ({ userId, membership: 'invite' as const }))
  return [...joined, ...invited]
    .map((member) => ({ ...member, displayName: nameIn(room, member.userId), self: member.userId === ownUserId }))
    .toSorted((a, b) => Number(b.self) - Number(a.self) || a.displayName.localeCompare(b.displayName))
}
