import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { BoundedCache } from '../rooms/bounded-cache.ts'
import { notificationTables, type UnreadEvent } from './notification-tables.ts'

export interface PlacedUnread extends UnreadEvent {
  readonly position: number
}

type Name = `${UserId} ${RoomId}`

/** The unread events of each user in each room, by position; those used last are in memory. */
export class UnreadRooms {
  readonly #storage: Storage
  /** Rooms without unread events are remembered too: they are what is asked for most. */
  readonly #cache = new BoundedCache<Name, readonly PlacedUnread[]>(
    limits.implementation.unreadEventsCachedMax,
    (events) => 1 + events.length,
  )

  #changes = 0

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async of(userId: UserId, roomId: RoomId): Promise<readonly PlacedUnread[]> {
    const known = this.#cache.get(nameOf(userId, roomId))
    if (known !== undefined) return known
    const changes = this.#changes
    const rows = await this.#storage.range(notificationTables.unread, {
      prefix: [userId, roomId],
      limit: limits.implementation.unreadEventsPerRoomMax,
    })
    const events = rows.map(({ key, value }) => ({ ...value, position: key[2] }))
    // What was read while something else was committed may be old.
    if (changes === this.#changes) this.#cache.set(nameOf(userId, roomId), events)
    return events
  }

  /** Only what one draft at a time committed. */
  remember(userId: UserId, roomId: RoomId, events: readonly PlacedUnread[]): void {
    this.#changes++
    this.#cache.set(nameOf(userId, roomId), events)
  }
}

interface Draft {
  readonly userId: UserId
  readonly roomId: RoomId
  /** The draft's own copy, made once: an event more costs the same however many are unread. */
  events: PlacedUnread[]
}

/** Changes of unread events that become durable together. */
export class UnreadDraft {
  readonly batch = new WriteBatch()
  readonly #rooms: UnreadRooms
  readonly #changed = new Map<Name, Draft>()

  constructor(rooms: UnreadRooms) {
    this.#rooms = rooms
  }

  /** The oldest give way where there are too many. */
  async add(userId: UserId, roomId: RoomId, event: PlacedUnread): Promise<void> {
    const draft = await this.#draft(userId, roomId)
    const { position, ...row } = event
    this.batch.put(notificationTables.unread, [userId, roomId, position], row)
    draft.events.push(event)
    if (draft.events.length > limits.implementation.unreadEventsPerRoomMax) this.#delete(draft, draft.events.splice(0, 1))
  }

  async remove(userId: UserId, roomId: RoomId, isRead: (event: PlacedUnread) => boolean): Promise<void> {
    const draft = await this.#draft(userId, roomId)
    const read = new Set(draft.events.filter(isRead))
    if (read.size === 0) return
    this.#delete(draft, read)
    draft.events = draft.events.filter((event) => !read.has(event))
  }

  /** To be called once the batch is durable. */
  apply(): void {
    for (const { userId, roomId, events } of this.#changed.values()) this.#rooms.remember(userId, roomId, events)
  }

  #delete({ userId, roomId }: Draft, events: Iterable<PlacedUnread>): void {
    for (const { position } of events) this.batch.delete(notificationTables.unread, [userId, roomId, position])
  }

  async #draft(userId: UserId, roomId: RoomId): Promise<Draft> {
    const name = nameOf(userId, roomId)
    const known = this.#changed.get(name)
    if (known !== undefined) return known
    const draft = { userId, roomId, events: [...(await this.#rooms.of(userId, roomId))] }
    this.#changed.set(name, draft)
    return draft
  }
}

function nameOf(userId: UserId, roomId: RoomId): Name {
  return `${userId} ${roomId}`
}
