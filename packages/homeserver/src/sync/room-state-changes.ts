import { type EventId, ownString, splitStateKey, type StateKey, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StateAtPosition, StoredEvent } from '../rooms/index.ts'

type Ids = ReadonlyMap<StateKey, EventId>

const noState: Ids = new Map()

/** The state between two moments of a room, read no more than needed: mostly nothing has changed. */
export class RoomStateChanges {
  readonly #rooms: Rooms
  readonly #before: StateAtPosition | undefined
  readonly #after: StateAtPosition | undefined

  /** @param before undefined: the reader knows nothing of the room. */
  constructor(rooms: Rooms, before: StateAtPosition | undefined, after: StateAtPosition | undefined) {
    this.#rooms = rooms
    this.#before = before
    this.#after = after
  }

  /** The ids of entries that are other than before, of wanted keys only. */
  async changed(): Promise<Map<StateKey, EventId>> {
    if (this.#after === undefined) return new Map()
    if (this.#before?.snapshot === this.#after.snapshot) return new Map()
    const before = this.#before === undefined ? noState : await this.#before.ids()
    return differing(before, await this.#after.ids())
  }

  /** What changed between the moment before and the state at the beginning of a timeline. */
  async changedUntil(first: StoredEvent | undefined): Promise<Map<StateKey, EventId>> {
    if (first === undefined) return this.changed()
    if (first.stateBefore !== undefined && first.stateBefore === this.#before?.snapshot) return new Map()
    const start = await this.#rooms.stateIdsBefore(first.eventId)
    return differing(this.#before === undefined ? noState : await this.#before.ids(), start ?? noState)
  }

  async memberBefore(userId: UserId): Promise<StoredEvent | undefined> {
    return this.#event(await this.#before?.idOf('m.room.member', userId))
  }

  async memberAfter(userId: UserId): Promise<StoredEvent | undefined> {
    return this.#event(await this.#after?.idOf('m.room.member', userId))
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

function differing(before: Ids, after: Ids): Map<StateKey, EventId> {
  return new Map([...after].filter(([key, eventId]) => before.get(key) !== eventId))
}
