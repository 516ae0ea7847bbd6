import { ownString, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'

/**
 * Which events a user may see. Spec: Client-Server API, Room History Visibility.
 * Backfilled events come without the state around them; their senders' servers chose to show them to this one, so members see them.
 */
export class Visibility {
  readonly #rooms: Rooms

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  async filter(events: readonly StoredEvent[], userId: UserId): Promise<StoredEvent[]> {
    const visible = await Promise.all(events.map(async (event) => this.isVisible(event, userId)))
    return events.filter((_, index) => visible[index] === true)
  }

  async isVisible(event: StoredEvent, userId: UserId): Promise<boolean> {
    if (event.status !== 'accepted') return false
    const member = this.#rooms.state(event.roomId)?.get('m.room.member', userId)
    const isJoined = member !== undefined && ownString(member.pdu.content, 'membership') === 'join'
    // Joined all the time since: nothing to look up.
    if (isJoined && event.position !== undefined && (member.position ?? 0) <= event.position) return true
    if (event.stateBefore === undefined) return isJoined
    return this.#isVisibleAt(event, userId, member)
  }

  async #isVisibleAt(event: StoredEvent, userId: UserId, member: StoredEvent | undefined): Promise<boolean> {
    // The user's own membership event counts as it is after it.
    const isOwnMembership = event.pdu.type === 'm.room.member' && event.pdu.state_key === userId
    const membershipThen = await this.#membershipBefore(event, userId)
    if (membershipThen === 'join' || isOwnMembership) return true
    const visibility = await this.#historyVisibility(event)
    if (visibility === 'world_readable') return true
    if (visibility === 'invited' && membershipThen === 'invite') return true
    if (visibility !== 'shared') return false
    // Shared: whoever joined at any later point. One who left sees what came before that.
    const isJoinedNow = member !== undefined && ownString(member.pdu.content, 'membership') === 'join'
    return isJoinedNow || (await this.#wasJoinedAfter(event, userId, member))
  }

  async #wasJoinedAfter(event: StoredEvent, userId: UserId, member: StoredEvent | undefined): Promise<boolean> {
    if (member === undefined || (member.position ?? 0) <= (event.position ?? 0)) return false
    return (await this.#membershipBefore(member, userId)) === 'join'
  }

  async #membershipBefore(event: StoredEvent, userId: UserId): Promise<string | undefined> {
    const eventId = await this.#rooms.stateIdBefore(event, 'm.room.member', userId)
    const member = eventId === undefined ? undefined : await this.#rooms.event(eventId)
    return member === undefined ? undefined : ownString(member.pdu.content, 'membership')
  }

  async #historyVisibility(event: StoredEvent): Promise<string> {
    const eventId = await this.#rooms.stateIdBefore(event, 'm.room.history_visibility', '')
    const found = eventId === undefined ? undefined : await this.#rooms.event(eventId)
    return (found === undefined ? undefined : ownString(found.pdu.content, 'history_visibility')) ?? 'shared'
  }
}
