import { type EventId, ownString, type RoomId, type StateKey } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { MatrixError } from '../matrix-error.ts'
import type { RoomState, StoredEvent } from '../rooms/index.ts'
import type { Api } from './endpoint.ts'

/** The current state of a room that the user is in. @throws MatrixError M_FORBIDDEN, also for rooms that nobody here knows. */
export function joinedState(api: Api, session: Session, roomId: RoomId): RoomState {
  const state = api.rooms.state(roomId)
  if (state === undefined || state.membershipOf(session.userId) !== 'join') throw notInRoom()
  return state
}

/** The state that a user may read: the current one of members, for others the one when they left. */
export async function readableStateIds(api: Api, session: Session, roomId: RoomId): Promise<ReadonlyMap<StateKey, EventId>> {
  const member = memberEvent(api, session, roomId)
  const position = ownString(member.pdu.content, 'membership') === 'join' ? api.timeline.position : member.position
  const state = position === undefined ? undefined : await api.rooms.stateAt(roomId, position)
  if (state === undefined) throw notInRoom()
  return state.ids()
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
  memberEvent(api, session, roomId)
  const event = await api.rooms.event(eventId)
  const isVisible = event?.roomId === roomId && (await api.sync.visibility.isVisible(event, session.userId))
  if (event === undefined || !isVisible) throw new MatrixError(404, 'M_NOT_FOUND', 'No such event, or not one that you may see')
  return event
}

export function notInRoom(): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', 'You are not in this room')
}
