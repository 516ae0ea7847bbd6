import {
  isJsonObject,
  type JsonObject,
  ownInteger,
  ownMember,
  ownString,
  parseEventId,
  parseRoomId,
  parseUserId,
  type EventId,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Storage } from '../ports/storage.ts'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import { ephemeralTables, type ReceiptType, type StoredReceipt } from './tables.ts'

/** The places in the stream at which events of a room came; undefined for those that did not come that way, and for other rooms' events. */
export type PositionsOf = (roomId: RoomId, eventIds: readonly EventId[]) => Promise<readonly (number | undefined)[]>

export interface Receipt {
  readonly userId: UserId
  readonly type: ReceiptType
  /** Empty outside of threads. */
  readonly threadId: string
  readonly eventId: EventId
  readonly timestamp: number
}

type IndexRow = { readonly value: Pick<Receipt, 'userId' | 'type' | 'threadId'> }

/** Read receipts, durable, the newest of each user, type and thread. */
export class Receipts {
  readonly #storage: Storage
  readonly #timeline: Timeline
  readonly #queue = new KeyedQueue<RoomId>()
  /** The greatest position with a receipt; a room without an entry has to be looked up. */
  readonly #lastChange = new Map<RoomId, number>()

  readonly #positionsOf: PositionsOf

  constructor(storage: Storage, timeline: Timeline, positionsOf: PositionsOf) {
    this.#storage = storage
    this.#timeline = timeline
    this.#positionsOf = positionsOf
  }

  /** False when nothing changed: the same event again, an older receipt than the stored one, or one in too many threads. */
  async put(roomId: RoomId, receipt: Receipt): Promise<boolean> {
    const { userId, type, threadId, eventId, timestamp } = receipt
    return this.#queue.run(roomId, async () => {
      const key = [roomId, userId, type, threadId] as const
      const old = await this.#storage.get(ephemeralTables.receipts, key)
      if (old !== undefined && !(await this.#isAhead(roomId, receipt, old))) return false
      if (old === undefined && (await this.ofUser(roomId, userId)).length >= limits.implementation.receiptsPerUserAndRoomMax) return false
      let position = 0
      const build = (transaction: TimelineTransaction): void => {
        position = transaction.append({ kind: 'receipt', roomId, userId, ...(type === 'm.read.private' ? { isPrivate: true } : {}) })
        transaction.batch.put(ephemeralTables.receipts, key, { eventId, timestamp, position })
        transaction.batch.put(ephemeralTables.receiptsByPosition, [roomId, position], { userId, type, threadId })
        if (old !== undefined) transaction.batch.delete(ephemeralTables.receiptsByPosition, [roomId, old.position])
      }
      await this.#timeline.commit(build, () => this.#lastChange.set(roomId, position))
      return true
    })
  }

  async get(roomId: RoomId, userId: UserId, type: ReceiptType, threadId: string): Promise<StoredReceipt | undefined> {
    return this.#storage.get(ephemeralTables.receipts, [roomId, userId, type, threadId])
  }

  /** Receipts only go forward: in the room's own order where that is known, and otherwise in that of their times. */
  async #isAhead(roomId: RoomId, { eventId, timestamp }: Receipt, old: StoredReceipt): Promise<boolean> {
    if (old.eventId === eventId) return false
    const [before, now] = await this.#positionsOf(roomId, [old.eventId, eventId])
    return before === undefined || now === undefined ? old.timestamp <= timestamp : before < now
  }

  /** Every receipt of one user in a room. */
  async ofUser(roomId: RoomId, userId: UserId): Promise<Receipt[]> {
    const rows = await this.#storage.range(ephemeralTables.receipts, {
      prefix: [roomId, userId],
      limit: limits.implementation.receiptsPerUserAndRoomMax,
    })
    return rows.map(({ key: [, , type, threadId], value: { eventId, timestamp } }) => ({ userId, type, threadId, eventId, timestamp }))
  }

  /** Receipts that changed after one position, up to another. Private ones of others are left out. */
  async changedBetween(roomId: RoomId, reader: UserId, after: number, upTo: number): Promise<Receipt[]> {
    const lastChange = this.#lastChange.get(roomId)
    if (lastChange !== undefined && lastChange <= after) return []
    const rows = await this.#storage.range(ephemeralTables.receiptsByPosition, {
      prefix: [roomId],
      after: [roomId, after],
      before: [roomId, upTo + 1],
      limit: limits.implementation.receiptsPerRoomMax,
    })
    return this.#shownTo(reader, roomId, rows)
  }

  /** Those of the `count` that changed last, up to a position, that the reader may see. */
  async latest(roomId: RoomId, reader: UserId, upTo: number, count: number): Promise<Receipt[]> {
    const table = ephemeralTables.receiptsByPosition
    const rows = await this.#storage.range(table, { prefix: [roomId], before: [roomId, upTo + 1], reverse: true, limit: count })
    return this.#shownTo(reader, roomId, rows)
  }

  /** Private receipts are their user's own business. */
  async #shownTo(reader: UserId, roomId: RoomId, rows: readonly IndexRow[]): Promise<Receipt[]> {
    const shown = rows.filter(({ value }) => value.type === 'm.read' || value.userId === reader)
    const stored = await this.#storage.getMany(
      ephemeralTables.receipts,
      shown.map(({ value }) => [roomId, value.userId, value.type, value.threadId] as const),
    )
    return shown.flatMap(({ value }, index) => {
      const receipt = stored[index]
      return receipt === undefined ? [] : [{ ...value, eventId: receipt.eventId, timestamp: receipt.timestamp }]
    })
  }

  /** `m.receipt` of another server: room → `m.read` → user → { event_ids, data }. Anything malformed or not of `origin` is ignored. */
  async receive(origin: ServerName, content: JsonObject, isMember: (roomId: RoomId, userId: UserId) => boolean): Promise<void> {
    let taken = 0
    for (const [roomName, types] of Object.entries(content)) {
      const roomId = parseRoomId(roomName)
      const users = isJsonObject(types) ? ownMember(types, 'm.read') : undefined
      if (roomId === undefined || !isJsonObject(users)) continue
      for (const [name, value] of Object.entries(users)) {
        const userId = parseUserId(name)
        if (userId === undefined || serverNameOf(userId) !== origin || !isMember(roomId, userId)) continue
        const receipt = isJsonObject(value) ? readRemoteReceipt(userId, value) : undefined
        if (receipt === undefined) continue
        if (++taken > limits.implementation.receiptsPerRoomMax) return
        await this.put(roomId, receipt)
      }
    }
  }
}

function readRemoteReceipt(userId: UserId, value: JsonObject): Receipt | undefined {
  const eventIds = ownMember(value, 'event_ids')
  const eventId = parseEventId(Array.isArray(eventIds) ? eventIds[0] : undefined)
  const data = ownMember(value, 'data')
  if (eventId === undefined || !isJsonObject(data)) return undefined
  const threadId = ownString(data, 'thread_id') ?? ''
  if (threadId.length > 255) return undefined
  return { userId, type: 'm.read', threadId, eventId, timestamp: ownInteger(data, 'ts') ?? 0 }
}
