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
