import { parseRoomAlias, type RoomAlias, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { directoryTables, type StoredAlias } from './tables.ts'

/** Aliases of this server. */
export class Aliases {
  readonly #storage: Storage

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** The whole alias when it is free. */
  async reserve(localpart: string, server: ServerName): Promise<RoomAlias | 'taken' | 'invalid'> {
    const alias = parseRoomAlias(`#${localpart}:${server}`)
    if (alias === undefined) return 'invalid'
    return (await this.get(alias)) === undefined ? alias : 'taken'
  }

  async get(alias: RoomAlias): Promise<StoredAlias | undefined> {
    return this.#storage.get(directoryTables.aliases, [alias])
  }

  async put(alias: RoomAlias, stored: StoredAlias): Promise<void> {
    await this.#storage.commit(new WriteBatch().put(directoryTables.aliases, [alias], stored).writes)
  }

  async remove(alias: RoomAlias): Promise<void> {
    await this.#storage.commit(new WriteBatch().delete(directoryTables.aliases, [alias]).writes)
  }

  async ofRoom(roomId: RoomId): Promise<RoomAlias[]> {
    const rows = await this.#storage.range(directoryTables.aliases, { limit: 10_000 })
    return rows.filter(({ value }) => value.roomId === roomId).map(({ key }) => key[0])
  }
}
