import { parseRoomAlias, type RoomAlias, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { directoryTables, type StoredAlias } from './tables.ts'

export type AddAliasOutcome = 'added' | 'taken' | 'too-many'

/** Aliases of this server. */
export class Aliases {
  readonly #storage: Storage
  readonly #changes = new KeyedQueue<'aliases'>()
  /** Kept free for a room that is being made. */
  readonly #reserved = new Set<RoomAlias>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The whole alias when it is free; nobody else gets it until `release`. */
  async reserve(localpart: string, server: ServerName): Promise<RoomAlias | 'taken' | 'invalid'> {
    const alias = parseRoomAlias(`#${localpart}:${server}`)
    if (alias === undefined) return 'invalid'
    return this.#changes.run('aliases', async () => {
      if (this.#reserved.has(alias) || (await this.get(alias)) !== undefined) return 'taken'
      this.#reserved.add(alias)
      return alias
    })
  }

  release(alias: RoomAlias): void {
    this.#reserved.delete(alias)
  }

  async get(alias: RoomAlias): Promise<StoredAlias | undefined> {
    return this.#storage.get(directoryTables.aliases, [alias])
  }

  /** An alias that nobody has, or that was reserved by the caller. */
  async add(alias: RoomAlias, stored: StoredAlias, { isReserved = false } = {}): Promise<AddAliasOutcome> {
    return this.#changes.run('aliases', async () => {
      if (this.#reserved.has(alias) && !isReserved) return 'taken'
      if ((await this.get(alias)) !== undefined) return 'taken'
      if ((await this.ofRoom(stored.roomId)).length >= limits.implementation.aliasesPerRoomMax) return 'too-many'
      const batch = new WriteBatch()
        .put(directoryTables.aliases, [alias], stored)
        .put(directoryTables.aliasesByRoom, [stored.roomId, alias], true)
      await this.#storage.commit(batch.writes)
      return 'added'
    })
  }

  async remove(alias: RoomAlias): Promise<void> {
    await this.#changes.run('aliases', async () => {
      const stored = await this.get(alias)
      if (stored === undefined) return
      const batch = new WriteBatch().delete(directoryTables.aliases, [alias]).delete(directoryTables.aliasesByRoom, [stored.roomId, alias])
      await this.#storage.commit(batch.writes)
    })
  }

  /** Lets all aliases of a room lead to another. */
  async moveAll(from: RoomId, to: RoomId): Promise<RoomAlias[]> {
    return this.#changes.run('aliases', async () => {
      const aliases = await this.ofRoom(from)
      const batch = new WriteBatch()
      for (const alias of aliases) {
        const stored = await this.get(alias)
        if (stored === undefined) continue
        batch.put(directoryTables.aliases, [alias], { ...stored, roomId: to })
        batch.delete(directoryTables.aliasesByRoom, [from, alias]).put(directoryTables.aliasesByRoom, [to, alias], true)
      }
      if (batch.writes.length > 0) await this.#storage.commit(batch.writes)
      return aliases
    })
  }

  async ofRoom(roomId: RoomId): Promise<RoomAlias[]> {
    const limit = limits.implementation.aliasesPerRoomMax
    const rows = await this.#storage.range(directoryTables.aliasesByRoom, { prefix: [roomId], limit })
    return rows.map(({ key }) => key[1])
  }
}
