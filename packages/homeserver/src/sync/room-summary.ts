import type { JsonObject, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Member, RoomState } from '../rooms/index.ts'

/**
 * Who names a room that has no name: those who came first. Of who is there or invited, and where nobody is, of who was.
 * @see https://spec.matrix.org/latest/client-server-api/#calculating-the-display-name-for-a-room
 */
export function heroesOf(state: RoomState, reader: UserId): UserId[] {
  const present: Member[] = []
  const gone: Member[] = []
  for (const member of state.members()) {
    if (member.userId === reader) continue
    if (member.membership === 'join' || member.membership === 'invite') keepFirst(present, member)
    else if (member.membership === 'leave' || member.membership === 'ban') keepFirst(gone, member)
  }
  return (present.length > 0 ? present : gone).map(({ userId }) => userId)
}

export function summaryOf(state: RoomState, reader: UserId): JsonObject {
  return { 'm.heroes': heroesOf(state, reader), 'm.joined_member_count': state.joinedTotal, 'm.invited_member_count': state.invitedTotal }
}

/** One pass through the members of a room, however many, and without sorting them. */
function keepFirst(first: Member[], member: Member): void {
  const at = first.findIndex((other) => comesBefore(member, other))
  if (at !== -1) first.splice(at, 0, member)
  else if (first.length < limits.implementation.syncHeroesMax) first.push(member)
  if (first.length > limits.implementation.syncHeroesMax) first.pop()
}

/** By the place of their membership in the stream; those that came with the room were there before. */
function comesBefore(one: Member, other: Member): boolean {
  const [here, there] = [one.event.position ?? 0, other.event.position ?? 0]
  return here === there ? one.userId < other.userId : here < there
}
