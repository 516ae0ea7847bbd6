import { type EventId, ownString, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms, RoomState, StoredEvent } from '../rooms/index.ts'

interface Parts {
  readonly rooms: Pick<Rooms, 'event' | 'state' | 'stateBefore' | 'stateIdBefore'>
}

/** What one server may read, for one request: looks up single entries of the state before each event, and each state once. */
export class ReaderServer {
  readonly #parts: Parts
  readonly #server: ServerName
  readonly #answers = new Map<unknown, Promise<boolean>>()

  constructor(parts: Parts, server: ServerName) {
    this.#parts = parts
    this.#server = server
  }

  async mayRead(event: StoredEvent): Promise<boolean> {
    if (serverNameOf(event.pdu.sender) === this.#server) return true
    // Where the state at the event was never known, as with backfilled ones, the room's present rule stands in for it.
    if (event.stateBefore === undefined) return this.#mayReadNow(event)
    return this.#answers.getOrInsertComputed(event.stateBefore, async () => this.#mayReadAt(event))
  }

  #mayReadNow(event: StoredEvent): boolean {
    const state = this.#parts.rooms.state(event.roomId)
    if (state === undefined) return false
    const allowing = membershipsThatRead(state.get('m.room.history_visibility', ''))
    return allowing === 'all' || this.#members(state).some(({ membership }) => allowing.has(membership))
  }

  async #mayReadAt(event: StoredEvent): Promise<boolean> {
    const { rooms } = this.#parts
    const allowing = membershipsThatRead(await this.#stateEvent(event, 'm.room.history_visibility', ''))
    if (allowing === 'all') return true
    const state = rooms.state(event.roomId)
    // Whoever was a member at any time has an entry in the state of today.
    const members = state === undefined ? [] : this.#members(state)
    if (members.length > limits.implementation.membersLookedUpSinglyMax) {
      const before = await rooms.stateBefore(event.eventId)
      return before !== undefined && this.#members(before).some(({ membership }) => allowing.has(membership))
    }
    for (const { userId } of members) {
      const member = await this.#stateEvent(event, 'm.room.member', userId)
      if (allowing.has(ownString(member?.pdu.content, 'membership'))) return true
    }
    return false
  }

  async #stateEvent(event: StoredEvent, type: string, stateKey: string): Promise<StoredEvent | undefined> {
    const eventId: EventId | undefined = await this.#parts.rooms.stateIdBefore(event, type, stateKey)
    return eventId === undefined ? undefined : this.#parts.rooms.event(eventId)
  }

  #members(state: RoomState): { readonly userId: UserId; readonly membership: string }[] {
    return [...state.members()].filter(({ userId }) => serverNameOf(userId) === this.#server)
  }
}

/** Of which members one must be of the server. Without a rule, or with one that nobody knows, the history is shared. */
function membershipsThatRead(visibility: StoredEvent | undefined): 'all' | ReadonlySet<string | undefined> {
  switch (ownString(visibility?.pdu.content, 'history_visibility')) {
    case 'joined':
      return new Set(['join'])
    case 'invited':
      return new Set(['join', 'invite'])
    default:
      return 'all'
  }
}
