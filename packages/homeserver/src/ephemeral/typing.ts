import type { RoomId, UserId } from '@kith/matrix-protocol'
import { everyEntry } from '../every-entry.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import type { Timeline } from '../timeline/index.ts'
import { ephemeralTables } from './tables.ts'

interface TypingRoom {
  readonly users: Map<UserId, { readonly until: number }>
  /** The stream's position when this last changed; readers are behind it until they read from a later one. */
  changedAt: number
  /** The same for each user, those who changed last at the end. */
  readonly changes: Map<UserId, number>
}

const nobody: ReadonlySet<string> = new Set()

/**
 * Who is typing where: in memory, ended by the clock. That somebody typed in a room is stored once in each run of the server: the next
 * run tells those who were shown it that nobody does.
 */
export class Typing implements Disposable {
  readonly #clock: Clock
  readonly #timeline: Timeline
  readonly #rooms = new Map<RoomId, TypingRoom>()
  /** Rooms that the next run will know of. */
  readonly #noted = new Set<RoomId>()
  readonly #storage: Storage
  readonly #closing = new AbortController()

  private constructor(storage: Storage, clock: Clock, timeline: Timeline) {
    this.#storage = storage
    this.#clock = clock
    this.#timeline = timeline
  }

  static async open(storage: Storage, clock: Clock, timeline: Timeline): Promise<Typing> {
    const typing = new Typing(storage, clock, timeline)
    const ended = new WriteBatch()
    for await (const { key, value } of everyEntry(storage, ephemeralTables.typedRooms)) {
      if (value === 0) ended.put(ephemeralTables.typedRooms, key, timeline.position)
      typing.#rooms.set(key[0], { users: new Map(), changedAt: value === 0 ? timeline.position : value, changes: new Map() })
    }
    if (ended.writes.length === 0) return typing
    await storage.commit(ended.writes)
    // Whoever reads from now on is behind the news.
    await timeline.tick()
    return typing
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
    if (was === typing) return
    if (typing) await this.#note(roomId)
    await this.#changed(room, userId)
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

  async #note(roomId: RoomId): Promise<void> {
    if (this.#noted.has(roomId)) return
    await this.#storage.commit(new WriteBatch().put(ephemeralTables.typedRooms, [roomId], 0).writes)
    this.#noted.add(roomId)
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
