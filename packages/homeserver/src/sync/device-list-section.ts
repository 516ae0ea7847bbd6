import type { UserId } from '@kith/matrix-protocol'
import type { Keys } from '../keys/keys.ts'
import { limits } from '../limits.ts'
import type { Rooms } from '../rooms/index.ts'
import type { SharingChanges } from './sharing-changes.ts'

/**
 * Whose keys the client should ask for again: whose keys changed, and with whom a room came to be shared; and with whom none is
 * shared any more. Rooms count whether they are encrypted or not, since any may become so. Naming somebody too often costs a query, so
 * members that only changed their name are not sorted out.
 * @see https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3keyschanges
 */
export function deviceListChanges(
  parts: { readonly rooms: Rooms; readonly keys: Keys },
  stretch: { readonly reader: UserId; readonly after: number; readonly upTo: number },
  { touched, former }: SharingChanges,
  keysChangedInStream: ReadonlySet<UserId> | undefined,
): { changed: readonly UserId[]; left: readonly UserId[] } {
  const { reader, after, upTo } = stretch
  const keysChanged = keysChangedInStream ?? new Set(parts.keys.changedBetween(after, upTo))
  if (keysChanged.size === 0 && touched.size === 0 && former.size === 0) return { changed: [], left: [] }
  const shares = sharingOf(parts.rooms, reader, keysChanged.size + touched.size + former.size)
  const changed = [...keysChanged.union(touched)].filter((member) => shares(member) && (member !== reader || keysChanged.has(member)))
  return { changed, left: [...former].filter((member) => !shares(member)) }
}

/** Whether a room is shared with a user; for a few each is looked up, since the members of all rooms may be very many. */
export function sharingOf(rooms: Rooms, userId: UserId, count: number): (other: UserId) => boolean {
  if (count <= limits.implementation.membersLookedUpSinglyMax) {
    const joined = rooms.joinedRooms(userId)
    return (other) => other === userId || joined.some((roomId) => rooms.state(roomId)?.membershipOf(other) === 'join')
  }
  const sharing = rooms.usersSharingRooms(userId)
  return (other) => other === userId || sharing.has(other)
}
