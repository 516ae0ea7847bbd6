import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Timeline } from '../timeline/index.ts'

interface TypingRoom {
  readonly users: Map<UserId, { readonly until: number }>
  /** The stream's position when this last changed; readers are behind it until they read from a later one. */
  changedAt: number
  /** The same for each user, those who changed last at the end. */
  readonly changes: Map<UserId, number>
}

const nobody: ReadonlySet<string> = new Set()

/** Who is typing where: in memory, ended by the clock. */
export class Typing implements Disposable {
  readonly #clock: Clock
  readonly #timeline: Timeline
  readonly #rooms = new Map<RoomId, TypingRoom>()
  readonly #closing = new AbortController()

  constructor(clock: Clock, timeline: Timeline) {
    this.#clock = clock
    this.#timeline = timeline
  }

  async set(roomId: RoomId, userId: UserId, typing: boolean, timeoutMs: number): Promise<void> {
    const room = this.#rooms.get(roomId) ?? { users: new Map(), changedAt: -1, changes: new Map() }
    this.#rooms.set(roomId, room)
    const was = room.users.delete(userId)
    if (typing) {
      const durationMs = Math.min(timeoutMs, limits.implementation.typingTimeoutMaxMs)
      const entry = { until: this.#clock.now() + durationMs }
      room.users.set(userId, entry)
      void this.#expire(room, userId, entry, durationMs)
    }
    if (was !== typing) await this.#changed(room, userId)
  }

  /** The users typing in a room, without some, when that changed after a position; undefined when it did not. */
  changedAfter(roomId: RoomId, after: number, ignored: ReadonlySet<string> = nobody): UserId[] | undefined {
    const room = this.#rooms.get(roomId)
    if (room === undefined || room.changedAt < after) return undefined
    if (ignored.size === 0) return [...room.users.keys()]
    const changed = [...room.changes].some(([userId, changedAt]) => changedAt >= after && !ignored.has(userId))
    return changed ? [...room.users.keys()].filter((userId) => !ignored.has(userId)) : undefined
  }

  /** The rooms in which that changed after a position. */
  roomsChangedAfter(after: number): RoomId[] {
    return [...this.#rooms].filter(([, { changedAt }]) => changedAt >= after).map(([roomId]) => roomId)
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
  }

  async #expire(room: TypingRoom, userId: UserId, entry: { readonly until: number }, durationMs: number): Promise<void> {
    try {
      await this.#clock.sleep(durationMs, this.#closing.signal)
    } catch {
      return
    }
    if (room.users.get(userId) !== entry) return
    room.users.delete(userId)
    await this.#changed(room, userId)
  }

  async #changed(room: TypingRoom, userId: UserId): Promise<void> {
    room.changedAt = this.#timeline.position
    room.changes.delete(userId)
    room.changes.set(userId, room.changedAt)
    const [oldest] = room.changes.keys()
    if (oldest !== undefined && room.changes.size > limits.implementation.typingUsersRememberedMax) room.changes.delete(oldest)
    await this.#timeline.tick()
  }
}
