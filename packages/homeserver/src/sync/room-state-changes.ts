import { type EventId, ownString, parseUserId, type RoomId, splitStateKey, type StateKey, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StateAtPosition, StoredEvent } from '../rooms/index.ts'

/** The state between two moments of a room, read no more than needed: mostly nothing has changed. */
export class RoomStateChanges {
  readonly #rooms: Rooms
  readonly #roomId: RoomId
  readonly #before: StateAtPosition | undefined
  readonly #after: StateAtPosition | undefined
  #changed: Promise<ReadonlyMap<StateKey, EventId>> | undefined

  /** @param before undefined: the reader knows nothing of the room. */
  constructor(rooms: Rooms, roomId: RoomId, before: StateAtPosition | undefined, after: StateAtPosition | undefined) {
    this.#rooms = rooms
    this.#roomId = roomId
    this.#before = before
    this.#after = after
  }

  /** Whether the state is another at all. */
  get isAny(): boolean {
    return this.#before?.snapshot !== this.#after?.snapshot
  }

  /** The state before, and another one after. */
  until(after: StateAtPosition | undefined): RoomStateChanges {
    return new RoomStateChanges(this.#rooms, this.#roomId, this.#before, after)
  }

  /** For a reader that knows nothing of the room. */
  fromNothing(): RoomStateChanges {
    return new RoomStateChanges(this.#rooms, this.#roomId, undefined, this.#after)
  }

  /** The ids of entries that are other than before. */
  async changed(): Promise<ReadonlyMap<StateKey, EventId>> {
    this.#changed ??= this.#difference(this.#before, this.#after)
    return this.#changed
  }

  /** What changed between the moment before and the state at the beginning of a timeline. */
  async changedUntil(first: StoredEvent | undefined): Promise<ReadonlyMap<StateKey, EventId>> {
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

  /** The memberships of before that others took the place of, or nothing. */
  async membersReplaced(): Promise<readonly { readonly userId: UserId; readonly membership: string | undefined }[]> {
    const replaced = [...(await this.#difference(this.#after, this.#before))].flatMap(([key, eventId]) => {
      const userId = parseUserId(memberOfKey(key))
      return userId === undefined ? [] : [{ userId, eventId }]
    })
    const events = await this.#rooms.events(replaced.map(({ eventId }) => eventId))
    return replaced.map(({ userId }, index) => ({ userId, membership: membershipOf(events[index]) }))
  }

  async #difference(from: StateAtPosition | undefined, to: StateAtPosition | undefined): Promise<ReadonlyMap<StateKey, EventId>> {
    return to === undefined ? new Map() : this.#rooms.stateEntriesSince(this.#roomId, from?.snapshot, to.snapshot)
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
