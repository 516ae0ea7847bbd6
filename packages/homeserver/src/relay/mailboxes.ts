import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { type EntryRow, mailboxTables, type MailboxRow } from './mailbox-tables.ts'

export interface MailboxQuotas {
  readonly mailboxesMax: number
  readonly bytesPerMailboxMax: number
  readonly entriesPerMailboxMax: number
  /** How much of one mailbox a single sender may fill. */
  readonly bytesPerSenderMax: number
  readonly entriesPerSenderMax: number
  /** How long an entry is kept at least, unless collected. */
  readonly custodyMs: number
  /** How long a reservation holds without renewal. */
  readonly reservationMs: number
}

export type ReserveOutcome = { readonly kind: 'reserved'; readonly expiresAt: number } | { readonly kind: 'full' }

export type PutMailOutcome =
  | { readonly kind: 'stored'; readonly entryId: number; readonly expiresAt: number }
  /** This sender's transaction was taken before. */
  | { readonly kind: 'known'; readonly expiresAt: number }
  | { readonly kind: 'no-mailbox' }
  | { readonly kind: 'over-quota'; readonly retryAfterMs: number }

export interface MailEntry {
  readonly entryId: number
  readonly transaction: JsonObject
}

export type CollectOutcome =
  | { readonly kind: 'page'; readonly entries: readonly MailEntry[]; readonly acknowledged: number }
  | { readonly kind: 'no-mailbox' }
  /** No such entry was ever given out; nothing was acknowledged. */
  | { readonly kind: 'unknown-entry' }

export interface Mail {
  readonly recipient: ServerName
  readonly sender: ServerName
  readonly transactionId: string
  readonly transaction: JsonObject
  readonly bytes: number
}

/**
 * The mailboxes of a relay.
 *
 * Invariants:
 * 1. Entry ids of one mailbox strictly increase and are never reused, also when it was empty in between.
 * 2. An entry leaves only by acknowledgement of its owner or after its custody time.
 * 3. Each mailbox changes in its own serial queue, one storage transaction a change.
 */
export class Mailboxes {
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #quotas: MailboxQuotas
  readonly #queue = new KeyedQueue<ServerName>()
  #count: number

  private constructor(storage: Storage, clock: Clock, quotas: MailboxQuotas, count: number) {
    this.#storage = storage
    this.#clock = clock
    this.#quotas = quotas
    this.#count = count
  }

  static async open(storage: Storage, clock: Clock, quotas: MailboxQuotas): Promise<Mailboxes> {
    const rows = await storage.range(mailboxTables.mailboxes, { limit: quotas.mailboxesMax })
    return new Mailboxes(storage, clock, quotas, rows.length)
  }

  /** Makes the mailbox, or renews its reservation. */
  async reserve(owner: ServerName): Promise<ReserveOutcome> {
    if (this.#count >= this.#quotas.mailboxesMax && !(await this.has(owner))) await this.#reclaim()
    return this.#queue.run(owner, async () => {
      const box = await this.#storage.get(mailboxTables.mailboxes, [owner])
      if (box === undefined && this.#count >= this.#quotas.mailboxesMax) return { kind: 'full' }
      const expiresAt = this.#clock.now() + this.#quotas.reservationMs
      // Counted before the commit: two owners may come at the same moment.
      if (box === undefined) this.#count++
      try {
        const row: MailboxRow = { ...(box ?? (await this.#emptyMailbox())), reservedUntil: expiresAt }
        await this.#storage.commit(new WriteBatch().put(mailboxTables.mailboxes, [owner], row).writes)
      } catch (error) {
        if (box === undefined) this.#count--
        throw error
      }
      return { kind: 'reserved', expiresAt }
    })
  }

  put(mail: Mail): Promise<PutMailOutcome> {
    return this.#queue.run(mail.recipient, async () => {
      const now = this.#clock.now()
      const box = await this.#sweep(mail.recipient, now)
      if (box === undefined || box.reservedUntil <= now) return { kind: 'no-mailbox' }
      const known = await this.#storage.get(mailboxTables.transactions, [mail.recipient, mail.sender, mail.transactionId])
      if (known !== undefined) {
        const accepted = await this.#storage.get(mailboxTables.accepted, [mail.recipient, known])
        return { kind: 'known', expiresAt: accepted?.expiresAt ?? now }
      }
      return this.#store(mail, box, now)
    })
  }

  /** Acknowledges everything up to `acknowledge` (0: nothing), then reads the next entries. */
  collect(owner: ServerName, acknowledge: number, limit: number): Promise<CollectOutcome> {
    return this.#queue.run(owner, async () => {
      const box = await this.#storage.get(mailboxTables.mailboxes, [owner])
      if (box === undefined) return { kind: 'no-mailbox' }
      if (acknowledge > box.lastEntryId) return { kind: 'unknown-entry' }
      let current = box
      while (current.acknowledgedEntryId < acknowledge) current = await this.#removeOldest(owner, current, acknowledge)
      return { kind: 'page', entries: await this.#readPage(owner, limit), acknowledged: current.acknowledgedEntryId }
    })
  }

  async has(owner: ServerName): Promise<boolean> {
    return (await this.#storage.get(mailboxTables.mailboxes, [owner])) !== undefined
  }

  async countEntries(owner: ServerName): Promise<number> {
    return (await this.#storage.get(mailboxTables.mailboxes, [owner]))?.entries ?? 0
  }

  async #store(mail: Mail, box: MailboxRow, now: number): Promise<PutMailOutcome> {
    const { recipient, sender, bytes } = mail
    const used = (await this.#storage.get(mailboxTables.senders, [recipient, sender])) ?? { entries: 0, bytes: 0 }
    const quotas = this.#quotas
    const full = box.entries >= quotas.entriesPerMailboxMax || box.bytes + bytes > quotas.bytesPerMailboxMax
    const unfair = used.entries >= quotas.entriesPerSenderMax || used.bytes + bytes > quotas.bytesPerSenderMax
    if (full || unfair) return { kind: 'over-quota', retryAfterMs: limits.implementation.mailboxQuotaRetryMs }
    const entryId = box.lastEntryId + 1
    const expiresAt = now + quotas.custodyMs
    const row: MailboxRow = { ...box, lastEntryId: entryId, entries: box.entries + 1, bytes: box.bytes + bytes }
    const batch = new WriteBatch()
      .put(mailboxTables.entries, [recipient, entryId], { sender, transaction: mail.transaction, bytes, expiresAt })
      .put(mailboxTables.transactions, [recipient, sender, mail.transactionId], entryId)
      .put(mailboxTables.accepted, [recipient, entryId], { sender, transactionId: mail.transactionId, expiresAt })
      .put(mailboxTables.senders, [recipient, sender], { entries: used.entries + 1, bytes: used.bytes + bytes })
      .put(mailboxTables.mailboxes, [recipient], row)
    await this.#storage.commit(batch.writes)
    return { kind: 'stored', entryId, expiresAt }
  }

  async #readPage(owner: ServerName, limit: number): Promise<MailEntry[]> {
    const page: MailEntry[] = []
    let bytes = 0
    let after = 0
    // One entry a read: a page of large entries must not be held in memory beyond what the answer may carry.
    while (page.length < limit) {
      const [entry] = await this.#storage.range(mailboxTables.entries, { prefix: [owner], after: [owner, after], limit: 1 })
      if (entry === undefined) break
      bytes += entry.value.bytes
      if (page.length > 0 && bytes > limits.implementation.mailboxPageBytesMax) break
      after = entry.key[1]
      page.push({ entryId: after, transaction: entry.value.transaction })
    }
    return page
  }

  /** Removes a bounded number of the oldest entries, none above `upTo`. */
  async #removeOldest(owner: ServerName, box: MailboxRow, upTo: number): Promise<MailboxRow> {
    const oldest = await this.#storage.range(mailboxTables.entries, {
      prefix: [owner],
      before: [owner, upTo + 1],
      limit: limits.implementation.mailboxSweepEntriesMax,
    })
    const reached = oldest.length < limits.implementation.mailboxSweepEntriesMax ? upTo : (oldest.at(-1)?.key[1] ?? upTo)
    const batch = new WriteBatch()
    const row = await this.#writeRemovals(owner, { ...box, acknowledgedEntryId: reached }, oldest, batch)
    await this.#storage.commit(batch.writes)
    return row
  }

  async #writeRemovals(
    owner: ServerName,
    box: MailboxRow,
    removed: readonly { readonly key: readonly [ServerName, number]; readonly value: EntryRow }[],
    batch: WriteBatch,
  ): Promise<MailboxRow> {
    const bySender = new Map<ServerName, { entries: number; bytes: number }>()
    let bytes = 0
    for (const { key, value } of removed) {
      batch.delete(mailboxTables.entries, key)
      const sum = bySender.get(value.sender) ?? { entries: 0, bytes: 0 }
      bySender.set(value.sender, { entries: sum.entries + 1, bytes: sum.bytes + value.bytes })
      bytes += value.bytes
    }
    for (const [sender, sum] of bySender) {
      const used = await this.#storage.get(mailboxTables.senders, [owner, sender])
      if (used === undefined || used.entries <= sum.entries) batch.delete(mailboxTables.senders, [owner, sender])
      else batch.put(mailboxTables.senders, [owner, sender], { entries: used.entries - sum.entries, bytes: used.bytes - sum.bytes })
    }
    const row = { ...box, entries: box.entries - removed.length, bytes: box.bytes - bytes }
    batch.put(mailboxTables.mailboxes, [owner], row)
    return row
  }

  /** A new mailbox goes on above the ids of those that were given up: one of them may have been its own. */
  async #emptyMailbox(): Promise<MailboxRow> {
    const floor = (await this.#storage.get(mailboxTables.floor, [])) ?? 0
    return { reservedUntil: 0, lastEntryId: floor, acknowledgedEntryId: floor, entries: 0, bytes: 0 }
  }

  /** Gives up mailboxes whose reservation is long over and that hold nothing. */
  async #reclaim(): Promise<void> {
    const rows = await this.#storage.range(mailboxTables.mailboxes, { limit: this.#quotas.mailboxesMax })
    const idle = rows.filter(({ value }) => value.entries === 0 && value.reservedUntil + this.#quotas.custodyMs <= this.#clock.now())
    for (const { key, value } of idle.slice(0, limits.implementation.mailboxSweepEntriesMax)) {
      await this.#queue.run(key[0], async () => {
        const box = await this.#storage.get(mailboxTables.mailboxes, key)
        if (box === undefined || box.entries > 0 || box.reservedUntil !== value.reservedUntil) return
        const floor = (await this.#storage.get(mailboxTables.floor, [])) ?? 0
        const batch = new WriteBatch().delete(mailboxTables.mailboxes, key)
        await this.#storage.commit(batch.put(mailboxTables.floor, [], Math.max(floor, box.lastEntryId)).writes)
        this.#count--
      })
    }
  }

  /** Forgets a bounded number of transactions whose custody is over, with their entries if nobody collected them. */
  async #sweep(owner: ServerName, now: number): Promise<MailboxRow | undefined> {
    const box = await this.#storage.get(mailboxTables.mailboxes, [owner])
    if (box === undefined) return undefined
    const oldest = await this.#storage.range(mailboxTables.accepted, {
      prefix: [owner],
      limit: limits.implementation.mailboxSweepEntriesMax,
    })
    // Many small entries that are collected at once would otherwise pile up here until their custody time is over.
    const newestForgotten = box.lastEntryId - limits.implementation.mailboxAcceptedPerEntryMax * this.#quotas.entriesPerMailboxMax
    const expired = oldest.filter(({ key, value }) => value.expiresAt <= now || key[1] <= newestForgotten)
    if (expired.length === 0) return box
    const batch = new WriteBatch()
    for (const { key, value } of expired) {
      batch.delete(mailboxTables.accepted, key)
      batch.delete(mailboxTables.transactions, [owner, value.sender, value.transactionId])
    }
    const last = Math.max(...expired.map(({ key }) => key[1]))
    const entries = await this.#storage.range(mailboxTables.entries, {
      prefix: [owner],
      before: [owner, last + 1],
      limit: limits.implementation.mailboxSweepEntriesMax,
    })
    const acknowledgedEntryId = Math.max(box.acknowledgedEntryId, last)
    const row = await this.#writeRemovals(owner, { ...box, acknowledgedEntryId }, entries, batch)
    await this.#storage.commit(batch.writes)
    return row
  }
}
