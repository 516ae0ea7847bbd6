import { type RoomId, type ServerName, unreachable, type UserId } from '@kith/matrix-protocol'
import type { RemoteJoinOutcome } from '../../client-api/federation-access.ts'
import type { Rooms } from '../../rooms/index.ts'
import { judgeJoinConditions } from './join-conditions.ts'
import type { JoinInput } from './remote-membership.ts'

/**
 * Joins a room that this server is in by an event of its own. Undefined when the help of another server is needed: this one is not in the
 * room, or cannot say whether the conditions of the room are met, or has nobody who may vouch for that.
 */
export async function joinHeldRoom(
  parts: { readonly rooms: Rooms; readonly serverName: ServerName },
  input: Pick<JoinInput, 'roomId' | 'userId' | 'content'>,
  signal: AbortSignal,
): Promise<RemoteJoinOutcome | undefined> {
  const { rooms, serverName } = parts
  const { roomId, userId } = input
  const state = rooms.state(roomId)
  if (state?.isJoined(serverName) !== true) return undefined
  if (state.membershipOf(userId) === 'join') return { kind: 'joined', roomId }
  // The invite may be among what is not known yet.
  if (rooms.isPartial(roomId)) return undefined
  const conditions = judgeJoinConditions(rooms, serverName, roomId, userId)
  switch (conditions.kind) {
    case 'none':
      return sendJoin(rooms, roomId, userId, input.content, signal)
    case 'met':
      return sendJoin(rooms, roomId, userId, { ...input.content, join_authorised_via_users_server: conditions.voucher }, signal)
    case 'unmet':
      return { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN', reason: 'You are in none of the rooms whose members may join' }
    case 'no-voucher':
    case 'unknown':
      return state.joinedServers().size > 1
        ? undefined
        : { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN', reason: 'Nobody here can let you in' }
    default:
      return unreachable(conditions)
  }
}

async function sendJoin(
  rooms: Rooms,
  roomId: RoomId,
  userId: UserId,
  content: JoinInput['content'],
  signal: AbortSignal,
): Promise<RemoteJoinOutcome> {
  const draft = { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content: { ...content, membership: 'join' } }
  const outcome = await rooms.send(draft, signal)
  switch (outcome.kind) {
    case 'sent':
      return { kind: 'joined', roomId }
    case 'denied':
      return { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN', reason: `The rules of the room forbid this: ${outcome.rule}` }
    case 'too-large':
      return { kind: 'refused', status: 413, errcode: 'M_TOO_LARGE', reason: 'The event would be too large' }
    case 'unknown-room':
      return { kind: 'refused', status: 404, errcode: 'M_NOT_FOUND', reason: 'This room is not known here' }
    default:
      return unreachable(outcome)
  }
}
