import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import type { AccountData, AccountDataEntry } from '../accounts/account-data.ts'
import type { Ephemeral } from '../ephemeral/index.ts'
import type { Receipt } from '../ephemeral/receipts.ts'
import type { Notifications } from '../push/notifications.ts'
import type { RoomSection, SyncRequest } from './room-sections.ts'
import type { StreamChanges } from './stream-changes.ts'
import { unreadSection } from './unread-counts.ts'

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
    const ephemeral = [...this.#typing(roomId, request), ...receipts].filter((event) => request.filter.ephemeral.accepts(event))
    const accountData = await this.#accountData(roomId, request, isNew, changes.accountData)
    if (section === undefined && ephemeral.length === 0 && accountData.length === 0) return undefined
    const { ignored, filter } = request
    const reader = { userId: request.reader.userId, ignored }
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

  #typing(roomId: RoomId, request: SyncRequest): BareEvent[] {
    const { typing } = this.#parts.ephemeral
    const users = typing.changedAfter(roomId, request.after ?? 0)
    if (users === undefined || (request.after === undefined && users.length === 0)) return []
    return [{ type: 'm.typing', content: { user_ids: users } }]
  }

  async #receipts(roomId: RoomId, request: SyncRequest, isNew: boolean, changes: StreamChanges | undefined): Promise<BareEvent[]> {
    if (!isNew && changes?.rooms !== undefined && !changes.receipts.has(roomId)) return []
    const { receipts } = this.#parts.ephemeral
    const found = await receipts.changedBetween(roomId, request.reader.userId, isNew ? 0 : (request.after ?? 0), request.upTo)
    return found.length === 0 ? [] : [{ type: 'm.receipt', content: receiptContent(found) }]
  }

  async #accountData(roomId: RoomId, request: SyncRequest, isNew: boolean, changed: readonly AccountDataEntry[]): Promise<BareEvent[]> {
    const entries = isNew
      ? await this.#parts.accountData.all(request.reader.userId, roomId)
      : changed.filter((entry) => entry.roomId === roomId)
    const events = entries.map(({ type, content }) => ({ type, content }))
    return events.filter((event) => request.filter.roomAccountData.accepts(event))
  }
}

/** event → receipt type → user → { ts, thread_id? }. Spec: Client-Server API, Receipts. */
function receiptContent(receipts: readonly Receipt[]): JsonObject {
  const events = new Map<string, Map<string, Map<string, JsonObject>>>()
  for (const { eventId, type, userId, timestamp, threadId } of receipts) {
    const types = events.get(eventId) ?? new Map<string, Map<string, JsonObject>>()
    const users = types.get(type) ?? new Map<string, JsonObject>()
    const earlier = users.get(userId)
    // One user can have several receipts on one event, for its threads; the unthreaded one says most.
    if (earlier === undefined || threadId === '') users.set(userId, { ts: timestamp, ...(threadId === '' ? {} : { thread_id: threadId }) })
    events.set(eventId, types.set(type, users))
  }
  return toObject(events, (types) => toObject(types, (users) => Object.fromEntries(users)))
}

function toObject<T>(map: ReadonlyMap<string, T>, convert: (value: T) => JsonObject): JsonObject {
  return Object.fromEntries([...map].map(([key, value]) => [key, convert(value)]))
}
