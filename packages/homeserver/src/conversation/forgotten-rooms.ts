import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { everyEntry } from '../every-entry.ts'
import { type Storage, WriteBatch } from '../ports/index.ts'
import type { Rooms } from '../rooms/index.ts'
import { conversationTables } from './tables.ts'

/** Rooms that users left and want to hear no more of. @see https://spec.matrix.org/latest/client-server-api/#leaving-rooms */
export class ForgottenRooms {
  readonly #storage: Storage
  readonly #rooms: Rooms
  readonly #forgotten = new Map<string, EventId>()

  private constructor(storage: Storage, rooms: Rooms) {
    this.#storage = storage
    this.#rooms = rooms
  }

  static async open(storage: Storage, rooms: Rooms): Promise<ForgottenRooms> {
    const opened = new ForgottenRooms(storage, rooms)
    for await (const { key, value } of everyEntry(storage, conversationTables.forgottenRooms)) opened.#forgotten.set(key.join(' '), value)
    return opened
  }

  /** @param leftBy the user's membership, which is not that of a member. */
  async forget(userId: UserId, roomId: RoomId, leftBy: EventId): Promise<void> {
    await this.#storage.commit(new WriteBatch().put(conversationTables.forgottenRooms, [userId, roomId], leftBy).writes)
    this.#forgotten.set(`${userId} ${roomId}`, leftBy)
  }

  /** Until the user is invited or joins again. */
  has(userId: UserId, roomId: RoomId): boolean {
    const leftBy = this.#forgotten.get(`${userId} ${roomId}`)
    return leftBy !== undefined && this.#rooms.state(roomId)?.get('m.room.member', userId)?.eventId === leftBy
  }
}
