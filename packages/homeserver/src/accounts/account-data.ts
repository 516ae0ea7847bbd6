import type { JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Storage } from '../ports/storage.ts'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import { accountsTables } from './tables.ts'

export interface AccountDataEntry {
  readonly roomId: RoomId | ''
  readonly type: string
  readonly content: JsonObject
}

type ChangeListener = (userId: UserId, roomId: RoomId | '', type: string) => void

/** What clients keep at their server for themselves, global or for a room. */
export class AccountData {
  readonly #storage: Storage
  readonly #timeline: Timeline
  /** The greatest position at which something changed; a user without an entry has to be looked up. */
  readonly #lastChange = new Map<UserId, number>()
  /** Changes of one user follow each other, so that the index by position never holds two rows for one entry. */
  readonly #queues = new Map<UserId, Promise<unknown>>()
  readonly #listeners: ChangeListener[] = []

  constructor(storage: Storage, timeline: Timeline) {
    this.#storage = storage
    this.#timeline = timeline
  }

  async get(userId: UserId, roomId: RoomId | '', type: string): Promise<JsonObject | undefined> {
    return (await this.#storage.get(accountsTables.accountData, [userId, roomId, type]))?.content
  }

  /** Hears of every change as soon as it is durable, before whoever made it does. */
  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener)
  }

  /** Changes one entry from what it is at its turn; `change` answers undefined to leave it. */
  async update(
    userId: UserId,
    roomId: RoomId | '',
    type: string,
    change: (content: JsonObject | undefined) => JsonObject | undefined,
  ): Promise<void> {
    const run = (this.#queues.get(userId) ?? Promise.resolve()).then(() => this.#update(userId, roomId, type, change))
    const settled = run.catch(() => undefined)
    this.#queues.set(userId, settled)
    try {
      await run
    } finally {
      if (this.#queues.get(userId) === settled) this.#queues.delete(userId)
    }
  }

  async set(userId: UserId, roomId: RoomId | '', type: string, content: JsonObject): Promise<void> {
    await this.update(userId, roomId, type, () => content)
  }

  async #update(
    userId: UserId,
    roomId: RoomId | '',
    type: string,
    change: (content: JsonObject | undefined) => JsonObject | undefined,
  ): Promise<void> {
    const old = await this.#storage.get(accountsTables.accountData, [userId, roomId, type])
    const content = change(old?.content)
    if (content === undefined) return
    let position = 0
    await this.#timeline.commit(
      (transaction) => (position = this.#write(transaction, { userId, roomId, type, content }, old?.position)),
      () => {
        this.#lastChange.set(userId, position)
        for (const listener of this.#listeners) listener(userId, roomId, type)
      },
    )
  }

  #write(transaction: TimelineTransaction, entry: AccountDataEntry & { readonly userId: UserId }, oldPosition: number | undefined): number {
    const { userId, roomId, type, content } = entry
    const position = transaction.append({ kind: 'account-data', userId, type, ...(roomId === '' ? {} : { roomId }) })
    transaction.batch.put(accountsTables.accountData, [userId, roomId, type], { content, position })
    transaction.batch.put(accountsTables.accountDataByPosition, [userId, position], { roomId, type })
    if (oldPosition !== undefined) transaction.batch.delete(accountsTables.accountDataByPosition, [userId, oldPosition])
    return position
  }

  /** Entries changed after one position, up to another, as they are now. */
  async changedBetween(userId: UserId, after: number, upTo: number): Promise<AccountDataEntry[]> {
    const lastChange = this.#lastChange.get(userId)
    if (lastChange !== undefined && lastChange <= after) return []
    const rows = await this.#storage.range(accountsTables.accountDataByPosition, {
      prefix: [userId],
      after: [userId, after],
      before: [userId, upTo + 1],
      limit: limits.implementation.accountDataEntriesPerUserMax,
    })
    // Every change since this process began is in the map; what came before has just been read.
    if (rows.length === 0 && !this.#lastChange.has(userId)) this.#lastChange.set(userId, after)
    const contents = await this.#storage.getMany(
      accountsTables.accountData,
      rows.map(({ value }) => [userId, value.roomId, value.type] as const),
    )
    return rows.flatMap(({ value }, index) => {
      const stored = contents[index]
      return stored === undefined ? [] : [{ ...value, content: stored.content }]
    })
  }

  /** @see https://spec.matrix.org/latest/client-server-api/#invite-permission */
  async blocksInvites(userId: UserId): Promise<boolean> {
    return (await this.get(userId, '', 'm.invite_permission_config'))?.['default_action'] === 'block'
  }

  /** Every entry of one room, or every global one. */
  async all(userId: UserId, roomId: RoomId | ''): Promise<AccountDataEntry[]> {
    const rows = await this.#storage.range(accountsTables.accountData, {
      prefix: [userId, roomId],
      limit: limits.implementation.accountDataEntriesPerUserMax,
    })
    return rows.map(({ key, value }) => ({ roomId, type: key[2], content: value.content }))
  }

  /** Every entry, global and of all rooms. */
  async everywhere(userId: UserId): Promise<AccountDataEntry[]> {
    const limit = limits.implementation.accountDataEntriesPerUserMax
    const rows = await this.#storage.range(accountsTables.accountData, { prefix: [userId], limit })
    return rows.map(({ key, value }) => ({ roomId: key[1], type: key[2], content: value.content }))
  }
}
