import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { membershipOf } from './room-state-changes.ts'

/** When a user was in a room the last time. */
export type LastStay =
  | { readonly kind: 'inside' }
  /** Ended by that event, a leave or a ban. */
  | { readonly kind: 'ended'; readonly by: StoredEvent; readonly position: number }
  | { readonly kind: 'never' }

/** Goes back over the user's own membership events: after a leave there may be invites, knocks, bans and more leaves. */
export async function lastStayOf(rooms: Rooms, roomId: RoomId, userId: UserId): Promise<LastStay> {
  let member = rooms.state(roomId)?.get('m.room.member', userId)
  if (membershipOf(member) === 'join') return { kind: 'inside' }
  for (let step = 0; member !== undefined && step < limits.implementation.membershipChangesWalkedMax; step++) {
    const earlierId = await rooms.stateIdBefore(member, 'm.room.member', userId)
    const earlier: StoredEvent | undefined = earlierId === undefined ? undefined : await rooms.event(earlierId)
    if (membershipOf(earlier) === 'join') return { kind: 'ended', by: member, position: member.position ?? 0 }
    member = earlier
  }
  return { kind: 'never' }
}

/** Whether users that are outside once were inside, looked up once for each membership event. */
export class PastStays {
  readonly #rooms: Rooms
  readonly #known = new WeakMap<StoredEvent, boolean>()

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  /** @param member the user's current one. Whoever was never inside, and was turned away, has had no stay. */
  async endedBy(roomId: RoomId, userId: UserId, member: StoredEvent): Promise<boolean> {
    const known = this.#known.get(member)
    if (known !== undefined) return known
    const isEnded = (await lastStayOf(this.#rooms, roomId, userId)).kind === 'ended'
    // Meanwhile the membership may have become another.
    if (this.#rooms.state(roomId)?.get('m.room.member', userId) === member) this.#known.set(member, isEnded)
    return isEnded
  }
}
