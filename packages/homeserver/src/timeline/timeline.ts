import type { ServerName } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { type Entry, type Storage, WriteBatch } from '../ports/storage.ts'
import { WatchedNumber } from '../watched-number.ts'
import { type OutboxItem, timelineTables, type TimelineRow } from './tables.ts'

/** Read at once where a stretch of the stream is looked through. */
const rowsPerRead = 1_000

export interface StreamRow {
  readonly position: number
  readonly row: TimelineRow
}

/** What one commit writes. Valid only inside the builder given to `Timeline.commit`. */
export class TimelineTransaction {
  readonly batch = new WriteBatch()
  readonly #allocate: () => number
  readonly #destinations = new Set<ServerName>()

  constructor(allocate: () => number) {
    this.#allocate = allocate
  }

  /** Takes a position that only orders something among the rows, such as a backfilled event. */
  allocate(): number {
    return this.#allocate()
  }

  /** Adds a row to the stream and returns its position. */
  append(row: TimelineRow): number {
    const position = this.#allocate()
    this.batch.put(timelineTables.stream, [position], row)
    return position
  }

  /** Adds an item to what `destination` still has to receive. Items of one destination keep their order. */
  enqueue(destination: ServerName, item: OutboxItem): void {
    const position = this.#allocate()
    this.batch.put(timelineTables.outbox, [destination, position], { item, state: { kind: 'waiting' } })
    if (item.kind === 'pdu') this.batch.put(timelineTables.outboxByEvent, [item.eventId, destination], position)
    this.#destinations.add(destination)
  }

  get destinations(): ReadonlySet<ServerName> {
    return this.#destinations
  }
}

/**
 * The one ordered stream of everything that happens on this server. A position in it is a sync token.
 *
 * Invariants:
 * 1. Positions only grow, also over restarts, and none is used twice.
 * 2. `position` is committed: every row at or below it that will ever exist can be read.
 * 3. Listeners hear of a commit after it is durable, and hear numbers, never data.
 */
export class Timeline {
  readonly #storage: Storage
  #allocated: number
  readonly #committed: WatchedNumber
  #leasedUntil: number
  #lastCommit: Promise<unknown> = Promise.resolve()
  readonly #outboxListeners = new Set<(destinations: ReadonlySet<ServerName>) => void>()

  private constructor(storage: Storage, position: number) {
    this.#storage = storage
    this.#allocated = position
    this.#committed = new WatchedNumber(position)
    this.#leasedUntil = position
  }

  static async open(storage: Storage): Promise<Timeline> {
    const [lastRow] = await storage.range(timelineTables.stream, { reverse: true, limit: 1 })
    const lease = await storage.get(timelineTables.lease, [])
    return new Timeline(storage, Math.max(lastRow?.key[0] ?? 0, lease ?? 0))
  }

  /** The last committed position. */
  get position(): number {
    return this.#committed.value
  }

  /**
   * Builds and commits one storage transaction. `build` runs synchronously, so positions are in commit order.
   * Resolves with the new position once everything is durable.
   * `onCommitted` runs as soon as it is durable and before anybody hears of it: the place to let memory follow the disk.
   * @throws StorageFullError and other storage failures; nothing was stored and the positions stay unused.
   */
  async commit(build: (transaction: TimelineTransaction) => void, onCommitted?: () => void): Promise<number> {
    const transaction = new TimelineTransaction(() => ++this.#allocated)
    build(transaction)
    const position = this.#allocated
    // An outbox row may have taken a position above every stream row; the lease keeps it from being used again after a crash.
    if (position > this.#leasedUntil) this.#renewLease(position, transaction.batch)
    const commit = this.#storage.commit(transaction.batch.writes)
    // Nobody may rely on a lease that was perhaps in the commit that failed.
    this.#lastCommit = commit.catch(() => (this.#leasedUntil = 0))
    await commit
    onCommitted?.()
    this.#committed.growTo(position)
    if (transaction.destinations.size > 0) {
      for (const listener of this.#outboxListeners) listener(transaction.destinations)
    }
    return position
  }

  /** Takes a position for something that is not stored (typing), after everything committed so far. */
  async tick(): Promise<number> {
    const position = ++this.#allocated
    if (position > this.#leasedUntil) {
      const batch = new WriteBatch()
      this.#renewLease(position, batch)
      this.#lastCommit = this.#storage.commit(batch.writes)
    }
    await this.#lastCommit
    this.#committed.growTo(position)
    return position
  }

  /** The rows after `position`, oldest first, at most `limit`. */
  async since(position: number, limit: number): Promise<Entry<readonly [position: number], TimelineRow>[]> {
    return this.#storage.range(timelineTables.stream, { after: [position], limit })
  }

  /**
   * The rows after `position` up to `upTo`, oldest first, `rowsMax` or some more of them at most. `isWhole`: whether that is all.
   */
  async between(position: number, upTo: number, rowsMax: number): Promise<{ readonly rows: StreamRow[]; readonly isWhole: boolean }> {
    const rows: StreamRow[] = []
    let after = position
    while (after < upTo) {
      if (rows.length >= rowsMax) return { rows, isWhole: false }
      const page = await this.since(after, rowsPerRead)
      for (const { key, value } of page) if (key[0] <= upTo) rows.push({ position: key[0], row: value })
      const last = page.at(-1)
      if (page.length < rowsPerRead || last === undefined) break
      after = last.key[0]
    }
    return { rows, isWhole: true }
  }

  /** Resolves as soon as the committed position is beyond `position`; rejects with the signal's reason. */
  changed(position: number, signal: AbortSignal): Promise<void> {
    return this.#committed.beyond(position, signal)
  }

  /** Calls the listener with the destinations that got new outbox rows, after each such commit. */
  watchOutbox(listener: (destinations: ReadonlySet<ServerName>) => void, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#outboxListeners.add(listener)
    signal.addEventListener('abort', () => this.#outboxListeners.delete(listener), { once: true })
  }

  #renewLease(position: number, batch: WriteBatch): void {
    this.#leasedUntil = position + limits.implementation.positionLeaseSize
    batch.put(timelineTables.lease, [], this.#leasedUntil)
  }
}
