import {
  type EventId,
  type JsonObject,
  ownMember,
  parseEventId,
  parseRoomId,
  parseServerName,
  type Pdu,
  type RoomId,
  type ServerName,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { StorageReader } from '../../ports/storage.ts'
import type { Rooms } from '../../rooms/index.ts'
import { type OutboxItem, type OutboxRow, type Timeline, type TimelineTransaction, timelineTables } from '../../timeline/index.ts'
import { INVITE_EDU_TYPE, inviteBody } from '../invite-body.ts'
import { ReaderServer } from '../reader-server.ts'
import type { Edu } from '../transaction.ts'
import { visibleForm } from '../visible-events.ts'

export const ACK_EDU_TYPE = 'im.kith.ack'

/** An outbox row with what it stands for, as it goes over the wire. */
export interface OutboxEntry {
  readonly position: number
  readonly row: OutboxRow
  readonly content: { readonly kind: 'pdu'; readonly pdu: Pdu } | { readonly kind: 'edu'; readonly edu: Edu }
}

/** The next rows for a destination, oldest first, as many as fit one transaction. */
export interface Batch {
  readonly entries: readonly OutboxEntry[]
  /** No row that was asked for lies behind these. */
  readonly complete: boolean
  /** The last row that was looked at. */
  readonly lastPosition: number
}

export interface Custody {
  readonly transactionId: string
  readonly relays: readonly ServerName[]
  readonly expiresAt: number
}

type RoomsReader = Pick<Rooms, 'event' | 'events' | 'version' | 'state' | 'stateBefore' | 'stateIdBefore'>

const SCAN_PAGE = 200

/** Reads and settles the rows of the outbox. Whoever settles rows of one destination does so one after the other. */
export class Outbox {
  readonly #storage: StorageReader
  readonly #timeline: Timeline
  readonly #rooms: RoomsReader

  constructor(input: { readonly storage: StorageReader; readonly timeline: Timeline; readonly rooms: RoomsReader }) {
    this.#storage = input.storage
    this.#timeline = input.timeline
    this.#rooms = input.rooms
  }

  /** Every destination that has rows, one read each. */
  async *destinations(signal: AbortSignal): AsyncGenerator<ServerName> {
    let after: readonly [string, string] | undefined
    for (;;) {
      signal.throwIfAborted()
      // A text sorts behind every position, so this key lies behind the last row of the destination before.
      const query = after === undefined ? { limit: 1 } : { after, limit: 1 }
      const [entry] = await this.#storage.range(timelineTables.outbox, query)
      if (entry === undefined) return
      const destination = parseServerName(entry.key[0])
      if (destination !== undefined) yield destination
      after = [entry.key[0], '']
    }
  }

  /** `isDue` picks among the rows after a position; rows whose event is gone are left out and settled. */
  async nextBatch(destination: ServerName, from: number, isDue: (row: OutboxRow) => boolean): Promise<Batch> {
    const entries: OutboxEntry[] = []
    const budget = new BatchBudget()
    let after = from
    for (;;) {
      const page = await this.#storage.range(timelineTables.outbox, {
        prefix: [destination],
        after: [destination, after],
        limit: SCAN_PAGE,
      })
      const due = page.filter(({ value }) => isDue(value))
      const pdus = await this.#loadPdus(
        destination,
        due.map(({ value }) => value.item),
      )
      const gone: number[] = []
      for (const { key, value } of due) {
        const position = key[1]
        const content = this.#contentOf(value.item, pdus)
        if (content === undefined) gone.push(position)
        else if (budget.take(content)) entries.push({ position, row: value, content })
        else return { entries, complete: false, lastPosition: entries.at(-1)?.position ?? from }
      }
      if (gone.length > 0) await this.settle(destination, gone)
      after = page.at(-1)?.key[1] ?? after
      if (page.length < SCAN_PAGE) return { entries, complete: true, lastPosition: after }
    }
  }

  /** The rows at these positions have reached the destination. Rows that are gone already are passed over. */
  async settle(destination: ServerName, positions: readonly number[]): Promise<void> {
    const rows = await this.#rowsAt(destination, positions)
    if (rows.length === 0) return
    await this.#timeline.commit((transaction) => {
      for (const { position, row } of rows) deleteRow(transaction, destination, position, row)
    })
  }

  /** Nothing of the room is for the destination any more. */
  async drop(destination: ServerName, roomId: RoomId): Promise<void> {
    let after = 0
    for (;;) {
      const page = await this.#storage.range(timelineTables.outbox, {
        prefix: [destination],
        after: [destination, after],
        limit: SCAN_PAGE,
      })
      const ofRoom = page.filter(({ value: { item } }) => item.kind === 'pdu' && item.roomId === roomId)
      await this.settle(
        destination,
        ofRoom.map(({ key }) => key[1]),
      )
      if (page.length < SCAN_PAGE) return
      after = page.at(-1)?.key[1] ?? after
    }
  }

  /** Relays hold the rows at these positions. Acknowledgements are not acknowledged: for them a relay is as good as the destination. */
  async markAtRelay(destination: ServerName, positions: readonly number[], custody: Custody): Promise<void> {
    const rows = await this.#rowsAt(destination, positions)
    if (rows.length === 0) return
    await this.#timeline.commit((transaction) => {
      for (const { position, row } of rows) {
        const { item } = row
        if (item.kind === 'edu' && item.type === ACK_EDU_TYPE) {
          deleteRow(transaction, destination, position, row)
          continue
        }
        transaction.batch.put(timelineTables.outbox, [destination, position], { item, state: { kind: 'at-relay', ...custody } })
        if (item.kind === 'pdu') transaction.append({ kind: 'delivery', roomId: item.roomId, eventId: item.eventId })
      }
    })
  }

  /** The destination has taken these transactions in. */
  async acknowledge(destination: ServerName, transactionIds: ReadonlySet<string>): Promise<void> {
    let after = 0
    for (;;) {
      const page = await this.#storage.range(timelineTables.outbox, {
        prefix: [destination],
        after: [destination, after],
        limit: SCAN_PAGE,
      })
      const settled = page.filter(({ value }) => value.state.kind === 'at-relay' && transactionIds.has(value.state.transactionId))
      if (settled.length > 0) {
        await this.settle(
          destination,
          settled.map(({ key }) => key[1]),
        )
      }
      if (page.length < SCAN_PAGE) return
      after = page.at(-1)?.key[1] ?? after
    }
  }

  async #rowsAt(destination: ServerName, positions: readonly number[]): Promise<{ position: number; row: OutboxRow }[]> {
    const keys = positions.map((position) => [destination, position] as const)
    const rows = await this.#storage.getMany(timelineTables.outbox, keys)
    return positions.flatMap((position, index) => {
      const row = rows[index]
      return row === undefined ? [] : [{ position, row }]
    })
  }

  async #loadPdus(destination: ServerName, items: readonly OutboxItem[]): Promise<Map<EventId, Pdu>> {
    const eventIds = items.flatMap((item) => eventOf(item)?.eventId ?? [])
    const events = eventIds.length === 0 ? [] : await this.#rooms.events(eventIds)
    const pdus = new Map<EventId, Pdu>()
    for (const event of events) if (event !== undefined) pdus.set(event.eventId, event.pdu)
    const asVisible = new Set(items.flatMap((item) => (item.kind === 'pdu' && item.asVisible === true ? [item.eventId] : [])))
    if (asVisible.size === 0) return pdus
    const rooms = { rooms: this.#rooms }
    const reader = new ReaderServer(rooms, destination)
    for (const event of events) {
      const version = event === undefined ? undefined : this.#rooms.version(event.roomId)
      if (event === undefined || version === undefined || !asVisible.has(event.eventId)) continue
      pdus.set(event.eventId, await visibleForm(rooms, reader, event, version))
    }
    return pdus
  }

  /** Undefined when the event that the item stands for is gone. */
  #contentOf(item: OutboxItem, pdus: ReadonlyMap<EventId, Pdu>): OutboxEntry['content'] | undefined {
    const event = eventOf(item)
    if (event === undefined)
      return item.kind === 'edu' ? { kind: 'edu', edu: { type: item.type, content: item.content as JsonObject } } : undefined
    const pdu = pdus.get(event.eventId)
    const version = this.#rooms.version(event.roomId)
    if (pdu === undefined) return undefined
    if (item.kind === 'pdu') return { kind: 'pdu', pdu }
    const state = this.#rooms.state(event.roomId)
    if (version === undefined || state === undefined) return undefined
    return { kind: 'edu', edu: { type: item.type, content: inviteBody(pdu, version, state) } }
  }
}

/** The event that the item names instead of holding it. */
function eventOf(item: OutboxItem): { readonly roomId: RoomId; readonly eventId: EventId } | undefined {
  if (item.kind === 'pdu') return item
  if (item.type !== INVITE_EDU_TYPE) return undefined
  const roomId = parseRoomId(ownMember(item.content, 'room_id'))
  const eventId = parseEventId(ownMember(item.content, 'event_id'))
  return roomId === undefined || eventId === undefined ? undefined : { roomId, eventId }
}

function deleteRow(transaction: TimelineTransaction, destination: ServerName, position: number, { item }: OutboxRow): void {
  transaction.batch.delete(timelineTables.outbox, [destination, position])
  if (item.kind !== 'pdu') return
  transaction.batch.delete(timelineTables.outboxByEvent, [item.eventId, destination])
  transaction.append({ kind: 'delivery', roomId: item.roomId, eventId: item.eventId })
}

/** What still fits into one transaction. Always takes the first item, however large. */
class BatchBudget {
  #pdus = 0
  #edus = 0
  #bytes = 0

  take(content: OutboxEntry['content']): boolean {
    const bytes = JSON.stringify(content.kind === 'edu' ? content.edu : content.pdu).length
    const pdus = this.#pdus + (content.kind === 'pdu' ? 1 : 0)
    const edus = this.#edus + (content.kind === 'edu' ? 1 : 0)
    const { pdusPerTransactionMax, edusPerTransactionMax } = limits.specification
    const first = this.#pdus + this.#edus === 0
    const tooLarge = this.#bytes + bytes > limits.implementation.deliverTransactionBytes
    if (pdus > pdusPerTransactionMax || edus > edusPerTransactionMax || (tooLarge && !first)) return false
    this.#pdus = pdus
    this.#edus = edus
    this.#bytes += bytes
    return true
  }
}
