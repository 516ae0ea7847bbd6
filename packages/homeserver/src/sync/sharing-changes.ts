import { parseUserId, type RoomId, type UserId } from '@kith/matrix-protocol'
import type { Rooms } from '../rooms/index.ts'
import { memberOfKey, membershipOf, type RoomStateChanges } from './room-state-changes.ts'
import type { StatesBetween } from './states-between.ts'
import type { StreamChanges } from './stream-changes.ts'

/** Users that one sync may have to name because of rooms that they share with the reader, or no longer do. */
export interface SharingChanges {
  /** Whose membership changed in a room that the reader is in, and all of a room that the reader came into. */
  readonly touched: ReadonlySet<UserId>
  /** With whom the reader was in a room at the beginning, and is no more: whoever of the two went first. They may share others. */
  readonly former: ReadonlySet<UserId>
}

export const sameSharing: SharingChanges = { touched: new Set(), former: new Set() }

/** Costs what changed in the states of the rooms, and the members of those that the reader came into or left. */
export async function readSharingChanges(
  { rooms, states }: { readonly rooms: Rooms; readonly states: StatesBetween },
  reader: UserId,
  { rooms: changedRooms, moved }: Pick<StreamChanges, 'rooms' | 'moved'>,
): Promise<SharingChanges> {
  const touched = new Set<UserId>()
  const former = new Set<UserId>()
  for (const roomId of changedRooms ?? rooms.roomIds()) {
    // Most rooms of a node of many are none of the reader's, and nothing is to be read for them. Whose join lost its ground has no membership.
    const mayHaveLost = moved?.has(roomId) ?? true
    if (!mayHaveLost && rooms.state(roomId)?.get('m.room.member', reader) === undefined) continue
    const changes = await states.of(roomId)
    if (!changes.isAny) continue
    const wasInside = membershipOf(await changes.memberBefore(reader)) === 'join'
    const isInside = membershipOf(await changes.memberAfter(reader)) === 'join'
    if (isInside) {
      const came = wasInside ? membersOf((await changes.changed()).keys()) : joinedIn(rooms, roomId)
      for (const userId of came) touched.add(userId)
    }
    if (wasInside) for (const userId of await leftBehind(rooms, roomId, changes, isInside)) former.add(userId)
  }
  return { touched, former }
}

/** Who was joined at the beginning, as far as the two may not share the room any more. */
async function leftBehind(rooms: Rooms, roomId: RoomId, changes: RoomStateChanges, isInside: boolean): Promise<Set<UserId>> {
  const replaced = await changes.membersReplaced()
  const users = new Set(replaced.flatMap(({ userId, membership }) => (membership === 'join' ? [userId] : [])))
  if (isInside) return users
  const others = new Set(replaced.map(({ userId }) => userId))
  for (const userId of joinedIn(rooms, roomId)) if (!others.has(userId)) users.add(userId)
  return users
}

function* joinedIn(rooms: Rooms, roomId: RoomId): Iterable<UserId> {
  for (const { userId } of rooms.state(roomId)?.members('join') ?? []) yield userId
}

function* membersOf(keys: Iterable<Parameters<typeof memberOfKey>[0]>): Iterable<UserId> {
  for (const key of keys) {
    const userId = parseUserId(memberOfKey(key))
    if (userId !== undefined) yield userId
  }
}
