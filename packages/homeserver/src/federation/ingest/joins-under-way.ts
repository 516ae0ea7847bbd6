import type { RoomId } from '@kith/matrix-protocol'

/** Joins that other servers may have accepted before this one has stored the room: events of such rooms wait for the end of the join. */
export class JoinsUnderWay {
  readonly #joins = new Map<RoomId, Set<Promise<unknown>>>()

  async track<T>(roomId: RoomId, join: Promise<T>): Promise<T> {
    const joins = this.#joins.get(roomId) ?? new Set()
    this.#joins.set(roomId, joins.add(join))
    try {
      return await join
    } finally {
      joins.delete(join)
      if (joins.size === 0 && this.#joins.get(roomId) === joins) this.#joins.delete(roomId)
    }
  }

  /** Resolves when no join that runs now runs any more. */
  async ended(roomId: RoomId): Promise<void> {
    await Promise.allSettled([...(this.#joins.get(roomId) ?? [])])
  }
}
