import { checkContentHash, ownString, prevEventIdsOf, type RoomId, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { type LastStay, lastStayOf } from './last-stay.ts'
import { membershipOf } from './room-state-changes.ts'
import { redactionTakesEffect } from './shown-redactions.ts'

/** What the state of a room says about who sees the events that are sent in it. */
interface Circumstances {
  readonly historyVisibility: string | undefined
  readonly membership: string | undefined
}

/**
 * Which events a user may see: decided by the state of the room at the event, and by when the user was inside.
 * @see https://spec.matrix.org/latest/client-server-api/#server-behaviour-7
 */
export class Visibility {
  readonly #rooms: Rooms

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  async filter(events: readonly StoredEvent[], userId: UserId): Promise<StoredEvent[]> {
    const views = new Map<RoomId, RoomView>()
    const visible: StoredEvent[] = []
    for (const event of events) {
      const view = views.getOrInsertComputed(event.roomId, (roomId) => new RoomView(this.#rooms, roomId, userId))
      if (await view.shows(event)) visible.push(event)
    }
    return visible
  }

  async isVisible(event: StoredEvent, userId: UserId): Promise<boolean> {
    return new RoomView(this.#rooms, event.roomId, userId).shows(event)
  }

  async lastStay(roomId: RoomId, userId: UserId): Promise<LastStay> {
    return lastStayOf(this.#rooms, roomId, userId)
  }
}

/** One user's view of one room, for one request. Most events share the state around them, which is looked up once. */
class RoomView {
  readonly #rooms: Rooms
  readonly #roomId: RoomId
  readonly #userId: UserId
  readonly #circumstances = new Map<StoredEvent['stateBefore'], Circumstances>()
  #stay: LastStay | undefined
  #othersHere: boolean | undefined

  constructor(rooms: Rooms, roomId: RoomId, userId: UserId) {
    this.#rooms = rooms
    this.#roomId = roomId
    this.#userId = userId
  }

  async shows(event: StoredEvent): Promise<boolean> {
    if (event.status !== 'accepted') return false
    this.#stay ??= await lastStayOf(this.#rooms, this.#roomId, this.#userId)
    const placed = placedByStateAfter(event)
    const visible =
      placed.stateBefore === undefined ? this.#showsWithoutState(placed, this.#stay) : await this.#showsInState(placed, this.#stay)
    return visible && (await redactionTakesEffect(this.#rooms, event))
  }

  async #showsInState(event: StoredEvent, stay: LastStay): Promise<boolean> {
    const { pdu } = event
    const before = await this.#circumstancesOf(event)
    // Events that change what decides count as they are before or after.
    const changesVisibility = pdu.type === 'm.room.history_visibility' && pdu.state_key === ''
    const visibilities = [historyVisibilityOf(before.historyVisibility)]
    if (changesVisibility) visibilities.push(historyVisibilityOf(ownString(pdu.content, 'history_visibility')))
    // 1.
    if (visibilities.includes('world_readable')) return true
    if (!isDuring(stay, event)) return false
    const memberships = this.#isOwnMembership(event) ? [before.membership, membershipOf(event)] : [before.membership]
    // 2. and 3.: up to the end of the last stay, whoever is not inside at an event has joined after it.
    if (memberships.includes('join') || visibilities.includes('shared')) return true
    // 4.
    return visibilities.includes('invited') && memberships.includes('invite')
  }

  /**
   * The state around backfilled events is not always known. Messages other servers showed to this one: to its only user they may be
   * shown; among several they are only where the room keeps no history from its members.
   */
  #showsWithoutState(event: StoredEvent, stay: LastStay): boolean {
    if (!isDuring(stay, event) || this.#isWithheld(event)) return false
    // Nothing is before the first event of a room, so its history is still shared.
    if (prevEventIdsOf(event.pdu).length === 0) return true
    const current = this.#rooms.state(this.#roomId)?.get('m.room.history_visibility', '')
    const visibility = historyVisibilityOf(current === undefined ? undefined : ownString(current.pdu.content, 'history_visibility'))
    if (visibility === 'shared' || visibility === 'world_readable') return true
    // Every server in the room has the state of all times: that it has it says nothing about who may read of it.
    if (event.pdu.state_key !== undefined) return this.#isOwnMembership(event) && membershipOf(event) === 'join'
    this.#othersHere ??= this.#hasOtherLocalMembers()
    return !this.#othersHere
  }

  #isOwnMembership({ pdu }: StoredEvent): boolean {
    return pdu.type === 'm.room.member' && pdu.state_key === this.#userId
  }

  /** A message without its content, and nobody known to have redacted it: whoever sent it here knows that nobody here may read it. */
  #isWithheld({ pdu, roomId, redactedBy }: StoredEvent): boolean {
    const version = this.#rooms.version(roomId)
    return version !== undefined && pdu.state_key === undefined && redactedBy === undefined && !checkContentHash(pdu, version)
  }

  #hasOtherLocalMembers(): boolean {
    const server = serverNameOf(this.#userId)
    for (const { userId } of this.#rooms.state(this.#roomId)?.members() ?? [])
      if (userId !== this.#userId && serverNameOf(userId) === server) return true
    return false
  }

  async #circumstancesOf(event: StoredEvent): Promise<Circumstances> {
    const known = this.#circumstances.get(event.stateBefore)
    if (known !== undefined) return known
    const circumstances = {
      historyVisibility: await this.#stringBefore(event, 'm.room.history_visibility', '', 'history_visibility'),
      membership: await this.#stringBefore(event, 'm.room.member', this.#userId, 'membership'),
    }
    this.#circumstances.set(event.stateBefore, circumstances)
    return circumstances
  }

  async #stringBefore(event: StoredEvent, type: string, stateKey: string, member: string): Promise<string | undefined> {
    const eventId = await this.#rooms.stateIdBefore(event, type, stateKey)
    const found = eventId === undefined ? undefined : await this.#rooms.event(eventId)
    return found === undefined ? undefined : ownString(found.pdu.content, member)
  }
}

/** Of a backfilled state event often only the state after it is known. It differs in no more than the event, which is looked at besides. */
function placedByStateAfter(event: StoredEvent): StoredEvent {
  return event.stateBefore === undefined && event.stateAfter !== undefined ? { ...event, stateBefore: event.stateAfter } : event
}

/**
 * Nobody sees what comes after they left, and who was never inside sees nothing but what the whole world may read. What came by a gap
 * has no place in the order in which events came: nothing deeper than the leave is before it.
 */
function isDuring(stay: LastStay, event: StoredEvent): boolean {
  if (stay.kind !== 'ended') return stay.kind === 'inside'
  return event.position === undefined ? event.pdu.depth <= stay.by.pdu.depth : event.position <= stay.position
}

/** What is not understood counts as shared. */
function historyVisibilityOf(value: string | undefined): 'world_readable' | 'shared' | 'invited' | 'joined' {
  return value === 'world_readable' || value === 'invited' || value === 'joined' ? value : 'shared'
}
