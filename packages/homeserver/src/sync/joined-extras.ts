import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import type { AccountData, AccountDataEntry } from '../accounts/account-data.ts'
import type { Ephemeral } from '../ephemeral/index.ts'
import type { Receipt } from '../ephemeral/receipts.ts'
import type { Notifications } from '../push/notifications.ts'
import type { RoomSection, SyncRequest } from './room-sections.ts'
import type { StreamChanges } from './stream-changes.ts'
import { hasUnreadAfter, unreadSection } from './unread-counts.ts'

interface Parts {
  readonly accountData: AccountData
  readonly ephemeral: Ephemeral
  readonly notifications: Notifications
}

/** What changed in the stretch of the stream that an answer covers. */
export interface Changes {
  /** Undefined for an initial sync. */
  readonly stream: StreamChanges | undefined
  readonly accountData: readonly AccountDataEntry[]
}

interface BareEvent {
  readonly type: string
  readonly content: JsonObject
}

type JoinSection = Extract<RoomSection, { kind: 'join' }>
type LeaveSection = Extract<RoomSection, { kind: 'leave' }>

/** Puts together what a sync says of a joined room: its events, and receipts, typing, account data and unread counts. */
export class JoinedExtras {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Undefined when nothing is to tell. */
  async joinedRoom(
    roomId: RoomId,
    request: SyncRequest,
    section: JoinSection | undefined,
    changes: Changes,
  ): Promise<JsonObject | undefined> {
    const isNew = request.after === undefined || section?.newlyJoined === true
    const receipts = await this.#receipts(roomId, request, isNew, changes.stream)
    const { ephemeral: wanted } = request.filter
    const ephemeral = wanted.acceptsRoom(roomId)
      ? [...this.#typing(roomId, request, isNew), ...receipts].filter((event) => wanted.accepts(event))
      : []
    const accountData = await this.#accountData(roomId, request, isNew, changes.accountData)
    const { ignored, filter } = request
    const reader = { userId: request.reader.userId, ignored }
    const hasEvents = (section !== undefined && !section.isBare) || ephemeral.length > 0 || accountData.length > 0
    const mayLowerCounts = section?.mayLowerCounts === true || changes.stream?.ownReceipts.has(roomId) === true
    if (!hasEvents && !mayLowerCounts && !(await hasUnreadAfter(this.#parts.notifications, roomId, reader, request.after ?? 0)))
      return undefined
    const unread = await unreadSection(this.#parts.notifications, roomId, reader, filter.timeline.unreadThreadNotifications)
    return {
      // A room without news has no gap either, and no older place to page from.
      timeline: (section?.timeline ?? { events: [], limited: false }) as unknown as JsonObject,
      ...(section?.state ?? { [request.stateName]: { events: [] } }),
      ephemeral: { events: ephemeral.map((event) => ({ ...event })) },
      account_data: { events: accountData.map((event) => ({ ...event })) },
      ...unread,
      ...(section?.summary === undefined ? {} : { summary: section.summary }),
    }
  }

  /** A room that the user is not in any more: what is theirs they keep. */
  async leftRoom(roomId: RoomId, request: SyncRequest, section: LeaveSection): Promise<JsonObject> {
    const accountData = await this.#accountData(roomId, request, request.after === undefined, [])
    return {
      timeline: section.timeline as unknown as JsonObject,
      ...section.state,
      account_data: { events: accountData.map((event) => ({ ...event })) },
    }
  }

  #typing(roomId: RoomId, request: SyncRequest, isNew: boolean): BareEvent[] {
    const { typing } = this.#parts.ephemeral
    const users = typing.changedAfter(roomId, isNew ? 0 : (request.after ?? 0), request.ignored)
    if (users === undefined || (isNew && users.length === 0)) return []
    return [{ type: 'm.typing', content: { user_ids: users } }]
  }

  async #receipts(roomId: RoomId, request: SyncRequest, isNew: boolean, changes: StreamChanges | undefined): Promise<BareEvent[]> {
    if (!isNew && changes?.rooms !== undefined && !changes.receipts.has(roomId)) return []
    const { receipts } = this.#parts.ephemeral
    const found = await receipts.changedBetween(roomId, request.reader.userId, isNew ? 0 : (request.after ?? 0), request.upTo)
    const shown = request.ignored.size === 0 ? found : found.filter(({ userId }) => !request.ignored.has(userId))
    return receiptContents(shown).map((content) => ({ type: 'm.receipt', content }))
  }

  async #accountData(roomId: RoomId, request: SyncRequest, isNew: boolean, changed: readonly AccountDataEntry[]): Promise<BareEvent[]> {
    const { roomAccountData } = request.filter
    if (!roomAccountData.acceptsRoom(roomId)) return []
    const entries = isNew
      ? await this.#parts.accountData.all(request.reader.userId, roomId)
      : changed.filter((entry) => entry.roomId === roomId)
    const events = entries.map(({ type, content }) => ({ type, content }))
    return events.filter((event) => roomAccountData.accepts(event))
  }
}

/** What of receipts fits into one event, for answers that have one for a room; of those in each other's way the unthreaded one says most. */
export function receiptContent(receipts: readonly Receipt[]): JsonObject {
  const [content] = receiptContents(receipts.toSorted((one, other) => Number(one.threadId !== '') - Number(other.threadId !== '')))
  return content ?? {}
}

/**
 * event → receipt type → user → { ts, thread_id? }. Where a user's receipts for several threads are on one event, each needs an event
 * of its own.
 * @see https://spec.matrix.org/latest/client-server-api/#receipts
 */
export function receiptContents(receipts: readonly Receipt[]): JsonObject[] {
  const contents: Map<string, Map<string, Map<string, JsonObject>>>[] = []
  for (const { eventId, type, userId, timestamp, threadId } of receipts) {
    let content = contents.find((candidate) => candidate.get(eventId)?.get(type)?.has(userId) !== true)
    if (content === undefined) contents.push((content = new Map<string, Map<string, Map<string, JsonObject>>>()))
    const types = content.getOrInsertComputed(eventId, () => new Map<string, Map<string, JsonObject>>())
    const users = types.getOrInsertComputed(type, () => new Map<string, JsonObject>())
    users.set(userId, { ts: timestamp, ...(threadId === '' ? {} : { thread_id: threadId }) })
  }
  return contents.map((events) => toObject(events, (types) => toObject(types, (users) => Object.fromEntries(users))))
}

function toObject<T>(map: ReadonlyMap<string, T>, convert: (value: T) => JsonObject): JsonObject {
  return Object.fromEntries([...map].map(([key, value]) => [key, convert(value)]))
}
