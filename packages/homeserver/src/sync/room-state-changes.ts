import { type EventId, ownString, parseUserId, type RoomId, splitStateKey, type StateKey, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StateAtPosition, StoredEvent } from '../rooms/index.ts'

/** The state between two moments of a room, read no more than needed: mostly nothing has changed. */
export class RoomStateChanges {
  readonly #rooms: Rooms
  readonly #roomId: RoomId
  readonly #before: StateAtPosition | undefined
  readonly #after: StateAtPosition | undefined

  /** @param before undefined: the reader knows nothing of the room. */
  constructor(rooms: Rooms, roomId: RoomId, before: StateAtPosition | undefined, after: StateAtPosition | undefined) {
    this.#rooms = rooms
    this.#roomId = roomId
    this.#before = before
    this.#after = after
  }

  /** The ids of entries that are other than before. */
  async changed(): Promise<Map<StateKey, EventId>> {
    if (this.#after === undefined) return new Map()
    return this.#rooms.stateEntriesSince(this.#roomId, this.#before?.snapshot, this.#after.snapshot)
  }

  /** What changed between the moment before and the state at the beginning of a timeline. */
  async changedUntil(first: StoredEvent | undefined): Promise<Map<StateKey, EventId>> {
    if (first === undefined) return this.changed()
    if (first.stateBefore === undefined) return new Map()
    return this.#rooms.stateEntriesSince(this.#roomId, this.#before?.snapshot, first.stateBefore)
  }

  async memberBefore(userId: UserId): Promise<StoredEvent | undefined> {
    return this.#event(await this.#before?.idOf('m.room.member', userId))
  }

  async memberAfter(userId: UserId): Promise<StoredEvent | undefined> {
    return this.#event(await this.#after?.idOf('m.room.member', userId))
  }

  /** Members of before that are none any more. */
  async leavers(): Promise<UserId[]> {
    const changed = [...(await this.changed())].flatMap(([key, eventId]) => {
      const userId = parseUserId(memberOfKey(key))
      return userId === undefined ? [] : [{ userId, eventId }]
    })
    const after = await this.#rooms.events(changed.map(({ eventId }) => eventId))
    const gone = changed.filter((_, index) => membershipOf(after[index]) !== 'join').map(({ userId }) => userId)
    const earlier = await Promise.all(gone.map(async (userId) => this.memberBefore(userId)))
    return gone.filter((_, index) => membershipOf(earlier[index]) === 'join')
  }

  async #event(eventId: EventId | undefined): Promise<StoredEvent | undefined> {
    return eventId === undefined ? undefined : this.#rooms.event(eventId)
  }
}

export function membershipOf(member: StoredEvent | undefined): string | undefined {
  return member === undefined ? undefined : ownString(member.pdu.content, 'membership')
}

/** Whether the key is that of a member event, and of whom. */
export function memberOfKey(key: StateKey): string | undefined {
  const { type, stateKey } = splitStateKey(key)
  return type === 'm.room.member' ? stateKey : undefined
}
