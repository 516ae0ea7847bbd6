import { type EventId, ownString, type RoomId, type StateKey } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { isWorldReadable } from '../directory/index.ts'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { RoomState, StateAtPosition, StoredEvent } from '../rooms/index.ts'
import type { Api } from './endpoint.ts'
import { waitBounded } from '../wait-bounded.ts'

/** The current state of a room that the user is in. @throws MatrixError M_FORBIDDEN, also for rooms that nobody here knows. */
export function joinedState(api: Api, session: Session, roomId: RoomId): RoomState {
  const state = api.rooms.state(roomId)
  if (state === undefined || state.membershipOf(session.userId) !== 'join') throw notInRoom()
  return state
}

/** How far a user may read a room. What of it they may see is for `Visibility` to say. */
export interface Readable {
  /** Nothing that came later is for this user. */
  readonly upTo: number
  /** The event by which the user left; absent for those inside, and for others where the world may read. */
  readonly leftBy: StoredEvent | undefined
}

/** @throws MatrixError M_FORBIDDEN for who never was inside, unless the whole world may read the room, and for rooms that nobody here knows. */
export async function readable(api: Api, session: Session, roomId: RoomId): Promise<Readable> {
  const state = api.rooms.state(roomId)
  const isForgotten = api.conversation.forgotten.has(session.userId, roomId)
  const stay = isForgotten ? ({ kind: 'never' } as const) : await api.sync.visibility.lastStay(roomId, session.userId)
  if (stay.kind === 'inside' || (state !== undefined && isWorldReadable(state))) return { upTo: api.timeline.position, leftBy: undefined }
  if (stay.kind === 'ended') return { upTo: stay.position, leftBy: stay.by }
  throw notInRoom()
}

/** The state that a user may read: the current one of members, for others the one when they left. */
export async function readableState(api: Api, session: Session, roomId: RoomId, at = Number.MAX_SAFE_INTEGER): Promise<StateAtPosition> {
  const { upTo } = await readable(api, session, roomId)
  const state = await api.rooms.stateAt(roomId, Math.min(upTo, at))
  if (state === undefined) throw notInRoom()
  return state
}

export async function readableStateIds(api: Api, session: Session, roomId: RoomId): Promise<ReadonlyMap<StateKey, EventId>> {
  return (await readableState(api, session, roomId)).ids()
}

/** The user's own membership event in a room where they are or once were. */
export function memberEvent(api: Api, session: Session, roomId: RoomId): StoredEvent {
  const member = api.rooms.state(roomId)?.get('m.room.member', session.userId)
  const membership = member === undefined ? undefined : ownString(member.pdu.content, 'membership')
  if (member === undefined || (membership !== 'join' && membership !== 'leave' && membership !== 'ban')) throw notInRoom()
  return member
}

/** An event of the room that the user may see. @throws MatrixError M_NOT_FOUND */
export async function visibleEvent(api: Api, session: Session, roomId: RoomId, eventId: EventId): Promise<StoredEvent> {
  await readable(api, session, roomId)
  const event = await api.rooms.event(eventId)
  const isVisible = event?.roomId === roomId && (await api.sync.visibility.isVisible(event, session.userId))
  if (event === undefined || !isVisible) throw new MatrixError(404, 'M_NOT_FOUND', 'No such event, or not one that you may see')
  return event
}

export function notInRoom(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'You are not in this room')
}

/**
 * Waits until the members of a room are known, which may take a while after a join. Whoever encrypts for them must not be told of some.
 * @throws MatrixError 504 when they do not come in time.
 */
export async function waitForMembers(api: Api, roomId: RoomId, signal: AbortSignal): Promise<void> {
  if (!api.rooms.isPartial(roomId)) return
  const { membersPatienceMs } = limits.implementation
  await waitBounded(api.ports.clock, membersPatienceMs, signal, (bounded) => api.rooms.whenComplete(roomId, bounded))
  if (api.rooms.isPartial(roomId)) {
    throw new MatrixError(504, 'M_UNKNOWN', 'The members of this room are not known yet', { 'im.kith.unreachable': true })
  }
}
