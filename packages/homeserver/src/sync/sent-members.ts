import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { BoundedCache } from '../rooms/bounded-cache.ts'
import type { EventReader } from './client-events.ts'

interface SentMember {
  readonly eventId: EventId
  /** Where the answer ended that told of it: the client has it when it goes on from there or later. */
  readonly upTo: number
}

/**
 * Which members the clients that load them as they need them were told of. In memory, and what was used last: what is forgotten is
 * told again.
 */
export class SentMembers {
  readonly #rooms = new BoundedCache<string, Map<UserId, SentMember>>(
    limits.implementation.sentMembersRememberedMax,
    (members) => 1 + members.size,
  )

  /** @param since where the client goes on from: proof that it got the answers up to there. */
  has(reader: EventReader, roomId: RoomId, userId: UserId, eventId: EventId, since: number | undefined): boolean {
    if (since === undefined) return false
    const sent = this.#rooms.get(nameOf(reader, roomId))?.get(userId)
    return sent !== undefined && sent.eventId === eventId && sent.upTo <= since
  }

  /** @param anew the client begins with this answer: it knows nothing of before. */
  note(reader: EventReader, roomId: RoomId, members: Iterable<readonly [UserId, EventId]>, upTo: number, anew: boolean): void {
    const name = nameOf(reader, roomId)
    const known = anew ? new Map<UserId, SentMember>() : (this.#rooms.get(name) ?? new Map<UserId, SentMember>())
    for (const [userId, eventId] of members) {
      const earlier = known.get(userId)
      if (earlier?.eventId !== eventId || earlier.upTo > upTo) known.set(userId, { eventId, upTo })
    }
    this.#rooms.set(name, known)
  }
}

function nameOf({ userId, deviceId }: EventReader, roomId: RoomId): string {
  return JSON.stringify([userId, deviceId, roomId])
}
