import type { EventId, JsonObject, RoomId } from '@kith/matrix-protocol'
import type { AccountData, AccountDataEntry } from '../../accounts/account-data.ts'
import type { Ephemeral } from '../../ephemeral/index.ts'
import type { Receipt } from '../../ephemeral/receipts.ts'
import type { Keys } from '../../keys/keys.ts'
import type { ToDevice } from '../../keys/to-device.ts'
import { limits } from '../../limits.ts'
import type { PushRules } from '../../push/push-rules.ts'
import type { EventReader } from '../client-events.ts'
import { receiptContent } from '../joined-extras.ts'
import type { SyncAnswer } from '../sync-answer.ts'
import type { Connection } from './connection.ts'
import type { ReceiptRows } from './receipt-rows.ts'
import type { RoomAnswer } from './room-answers.ts'
import type { ExtensionScope, SlidingRequest } from './sliding-request.ts'

interface Parts {
  readonly accountData: AccountData
  readonly ephemeral: Ephemeral
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly pushRules: PushRules
  readonly deviceListChanges: (reader: EventReader, after: number, upTo: number) => Promise<SyncAnswer['device_lists']>
}

/** A room in sight: by which lists, and whether by its own subscription. */
export interface VisibleRoom {
  readonly roomId: RoomId
  readonly lists: readonly string[]
  readonly isSubscribed: boolean
  readonly isJoined: boolean
}

export interface ExtensionRequest {
  readonly reader: EventReader
  readonly connection: Connection
  readonly extensions: SlidingRequest['extensions']
  readonly visible: readonly VisibleRoom[]
  readonly answers: ReadonlyMap<RoomId, RoomAnswer>
  readonly receiptRows: ReceiptRows
  /** Users of whom the reader wants to hear nothing. */
  readonly ignored: ReadonlySet<string>
  readonly upTo: number
}

export interface ExtensionAnswer {
  readonly body: JsonObject
  /** Whether there is anything that the client waits for. */
  readonly hasNews: boolean
}

/**
 * What a sliding sync tells besides rooms.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3885 (to-device), 3884 (e2ee), 3959 (account data), 3960 (receipts), 3961 (typing)
 */
export class Extensions {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async read(request: ExtensionRequest): Promise<ExtensionAnswer> {
    const { extensions } = request
    const sections = {
      to_device: extensions.toDevice.enabled ? await this.#toDevice(request) : undefined,
      e2ee: extensions.encryption.enabled ? await this.#encryption(request) : undefined,
      account_data: extensions.accountData.enabled ? await this.#accountData(request) : undefined,
      receipts: extensions.receipts.enabled ? await this.#receipts(request) : undefined,
      typing: extensions.typing.enabled ? this.#typing(request) : undefined,
    }
    const present = Object.entries(sections).filter((entry): entry is [string, ExtensionAnswer] => entry[1] !== undefined)
    return {
      body: Object.fromEntries(present.map(([name, { body }]) => [name, body])),
      hasNews: present.some(([, { hasNews }]) => hasNews),
    }
  }

  async #toDevice({ reader: { userId, deviceId }, extensions, upTo }: ExtensionRequest): Promise<ExtensionAnswer> {
    const { since = 0, limit } = extensions.toDevice
    const page = await this.#parts.toDevice.page(userId, deviceId, since, upTo, limit)
    const events = page.events.map((event) => ({ ...event }))
    return { body: { next_batch: String(page.deliveredUpTo), events }, hasNews: events.length > 0 }
  }

  async #encryption({ reader, connection, upTo }: ExtensionRequest): Promise<ExtensionAnswer> {
    const { keys, deviceListChanges } = this.#parts
    const after = connection.progress.encryption
    const lists = after === undefined ? { changed: [], left: [] } : await deviceListChanges(reader, after, upTo)
    const counts = await keys.oneTime.counts(reader.userId, reader.deviceId)
    const hasNews = lists.changed.length > 0 || lists.left.length > 0
    const body = {
      ...(hasNews ? { device_lists: lists } : {}),
      device_one_time_keys_count: counts.oneTime,
      device_unused_fallback_key_types: counts.unusedFallback,
    }
    return { body: body as unknown as JsonObject, hasNews }
  }

  async #accountData(request: ExtensionRequest): Promise<ExtensionAnswer> {
    const { connection, reader, extensions, upTo } = request
    const { accountData } = this.#parts
    const after = connection.progress.accountData
    const changed = after === undefined ? [] : await accountData.changedBetween(reader.userId, after, upTo)
    const global = await this.#globalData(reader, after === undefined ? undefined : changed.filter(({ roomId }) => roomId === ''))
    const inSight = new Set(roomsOf(request.visible, extensions.accountData).map(({ roomId }) => roomId))
    const byRoom = new Map<RoomId, readonly AccountDataEntry[]>()
    for (const [roomId, entries] of Map.groupBy(changed, (entry) => entry.roomId)) {
      if (roomId === '' || connection.accountData.get(roomId) === undefined) continue
      if (inSight.has(roomId)) byRoom.set(roomId, entries)
      // It will be told whole when the room is in sight again.
      else connection.accountData.delete(roomId)
    }
    for (const roomId of inSight) {
      if (connection.accountData.get(roomId) !== undefined) continue
      byRoom.set(roomId, await accountData.all(reader.userId, roomId))
      connection.accountData.set(roomId, true)
    }
    const rooms = [...byRoom].filter(([, entries]) => entries.length > 0).map(([roomId, entries]) => [roomId, entries.map(bare)] as const)
    return {
      body: { ...(global.length === 0 ? {} : { global }), ...(rooms.length === 0 ? {} : { rooms: Object.fromEntries(rooms) }) },
      hasNews: global.length > 0 || rooms.length > 0,
    }
  }

  /** @param changed undefined: everything is new to the client. */
  async #globalData({ userId }: EventReader, changed: readonly AccountDataEntry[] | undefined): Promise<JsonObject[]> {
    const { accountData, pushRules } = this.#parts
    const entries = changed ?? (await accountData.all(userId, ''))
    const others = entries.filter(({ type }) => type !== 'm.push_rules').map(bare)
    // Of the rules only what a user changed is stored; clients want all of them.
    const withRules = changed === undefined || changed.some(({ type }) => type === 'm.push_rules')
    return withRules ? [...others, { type: 'm.push_rules', content: await pushRules.content(userId) }] : others
  }

  async #receipts(request: ExtensionRequest): Promise<ExtensionAnswer> {
    const { connection, extensions, receiptRows, answers } = request
    const inSight = new Set(roomsOf(request.visible, extensions.receipts).flatMap(({ roomId, isJoined }) => (isJoined ? [roomId] : [])))
    for (const roomId of receiptRows.any ?? connection.receipts.keys()) {
      if (!inSight.has(roomId) && connection.receipts.get(roomId) !== undefined) connection.receiptsOwed.set(roomId, true)
    }
    const rooms: [RoomId, JsonObject][] = []
    for (const roomId of inSight) {
      const held = connection.receiptsHeld.get(roomId) ?? []
      const news = await this.#receiptsOf(roomId, answers.get(roomId), request)
      const wanted = latest([...held, ...news]).filter(({ userId }) => !request.ignored.has(userId))
      const { told, left } = fittingOneEvent(wanted)
      if (left.length > 0) connection.receiptsHeld.set(roomId, left)
      else if (held.length > 0) connection.receiptsHeld.delete(roomId)
      if (told.length > 0) rooms.push([roomId, { type: 'm.receipt', content: receiptContent(told) }])
    }
    return { body: rooms.length === 0 ? {} : { rooms: Object.fromEntries(rooms) }, hasNews: rooms.length > 0 }
  }

  async #receiptsOf(roomId: RoomId, answer: RoomAnswer | undefined, request: ExtensionRequest): Promise<Receipt[]> {
    const { connection, reader, receiptRows, upTo } = request
    const { receipts } = this.#parts.ephemeral
    const toldUpTo = connection.receipts.get(roomId)
    const isDue =
      toldUpTo === undefined ||
      receiptRows.any === undefined ||
      receiptRows.any.has(roomId) ||
      connection.receiptsOwed.get(roomId) !== undefined
    if (isDue) {
      connection.receipts.set(roomId, upTo)
      connection.receiptsOwed.delete(roomId)
    }
    const news = isDue && toldUpTo !== undefined ? await receipts.changedBetween(roomId, reader.userId, toldUpTo, upTo) : []
    if (toldUpTo !== undefined && answer?.isWhole !== true) return news
    // A whole timeline comes with the receipts on it, and with the reader's own wherever they are.
    const { slidingReceiptsScannedMax } = limits.implementation
    const recent = await receipts.latest(roomId, reader.userId, upTo, slidingReceiptsScannedMax)
    const own = await receipts.ofUser(roomId, reader.userId)
    const shown: ReadonlySet<EventId> = answer?.shown ?? new Set()
    return [...own, ...recent.filter(({ eventId }) => shown.has(eventId)), ...news]
  }

  #typing({ visible, extensions, connection, ignored }: ExtensionRequest): ExtensionAnswer {
    const rooms: [RoomId, JsonObject][] = []
    for (const { roomId, isJoined } of roomsOf(visible, extensions.typing)) {
      if (!isJoined) continue
      const users = this.#parts.ephemeral.typing.changedAfter(roomId, 0)?.filter((userId) => !ignored.has(userId)) ?? []
      const name = users.join(' ')
      if (name === (connection.typing.get(roomId) ?? '')) continue
      connection.typing.set(roomId, name)
      rooms.push([roomId, { type: 'm.typing', content: { user_ids: users } }])
    }
    return { body: rooms.length === 0 ? {} : { rooms: Object.fromEntries(rooms) }, hasNews: rooms.length > 0 }
  }
}

/** Which of the rooms in sight an extension tells of. */
function roomsOf(visible: readonly VisibleRoom[], scope: ExtensionScope): readonly VisibleRoom[] {
  const byList = scope.lists === undefined || scope.lists.includes('*') ? undefined : new Set(scope.lists)
  const bySubscription = scope.rooms === undefined || scope.rooms.includes('*') ? undefined : new Set(scope.rooms)
  return visible.filter(
    ({ roomId, lists, isSubscribed }) =>
      (byList === undefined ? lists.length > 0 : lists.some((list) => byList.has(list))) ||
      (isSubscribed && (bySubscription === undefined || bySubscription.has(roomId))),
  )
}

function bare({ type, content }: AccountDataEntry): JsonObject {
  return { type, content }
}

/** Of each user, type and thread the one that comes last. */
function latest(receipts: readonly Receipt[]): Receipt[] {
  return [...new Map(receipts.map((receipt) => [JSON.stringify([receipt.userId, receipt.type, receipt.threadId]), receipt])).values()]
}

/** The extension has one event for a room, and in it one place for a user's receipts of one type on one event: not all threads fit. */
function fittingOneEvent(receipts: readonly Receipt[]): { readonly told: readonly Receipt[]; readonly left: readonly Receipt[] } {
  const places = new Set<string>()
  const told: Receipt[] = []
  const left: Receipt[] = []
  for (const receipt of receipts) {
    const place = JSON.stringify([receipt.eventId, receipt.type, receipt.userId])
    if (places.has(place)) left.push(receipt)
    else told.push(receipt)
    places.add(place)
  }
  return { told, left }
}
