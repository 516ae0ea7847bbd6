import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { directoryTables } from './tables.ts'

/** The rooms that users of this server chose to show to everybody. Few, so all are in memory. */
export class PublishedRooms {
  readonly #storage: Storage
  readonly #rooms: Set<RoomId>

  private constructor(storage: Storage, rooms: Iterable<RoomId>) {
    this.#storage = storage
    this.#rooms = new Set(rooms)
  }

  static async open(storage: Storage): Promise<PublishedRooms> {
    const rows = await storage.range(directoryTables.published, { limit: limits.implementation.publishedRoomsMax })
    return new PublishedRooms(
      storage,
      rows.map(({ key }) => key[0]),
    )
  }

  has(roomId: RoomId): boolean {
    return this.#rooms.has(roomId)
  }

  all(): Iterable<RoomId> {
    return this.#rooms
  }

  /** False when too many are published already. */
  async publish(roomId: RoomId, by: UserId): Promise<boolean> {
    if (this.has(roomId)) return true
    if (this.#rooms.size >= limits.implementation.publishedRoomsMax) return false
    await this.#storage.commit(new WriteBatch().put(directoryTables.published, [roomId], { by }).writes)
    this.#rooms.add(roomId)
    return true
  }

  async unpublish(roomId: RoomId): Promise<void> {
    if (!this.has(roomId)) return
    await this.#storage.commit(new WriteBatch().delete(directoryTables.published, [roomId]).writes)
    this.#rooms.delete(roomId)
  }
}
