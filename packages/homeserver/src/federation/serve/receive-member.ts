import {
  checkContentHash,
  type EventId,
  eventIdOf,
  type JsonObject,
  ownMember,
  parsePdu,
  parseUserId,
  type Pdu,
  type RoomId,
  type RoomVersion,
  serverNameOf,
  unreachable,
} from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { isEventSigned } from '../event-signatures.ts'
import { judgeJoinConditions } from '../membership/join-conditions.ts'
import type { AskedMembership } from '../membership/member-template.ts'
import { conditionsError } from './join-conditions-error.ts'
import { heldRoom, refusePartial } from './request-arguments.ts'
import type { PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

export interface ReceivedMember {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly version: RoomVersion
  /** With this server's signature where it vouches for the join. */
  readonly pdu: Pdu
}

/**
 * Takes the membership event of send_join, send_leave or send_knock into the room, and sends it to the other servers of it. The same
 * event may come again when the answer was lost.
 * @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2send_joinroomideventid
 */
export async function receiveMember(
  parts: ServeParts,
  request: PeerRequest,
  roomId: RoomId,
  membership: AskedMembership,
): Promise<ReceivedMember> {
  const { version } = heldRoom(parts, request, roomId)
  if (membership !== 'leave') refusePartial(parts, roomId)
  const pdu = readMember(request, await request.jsonObject(), version, membership)
  const signed = await vouchedFor(parts, roomId, pdu, version)
  if (!(await isEventSigned(parts.ports.crypto, signed, version))) throw invalid('A signature of the event is missing or wrong')
  const eventId = eventIdOf(signed, version)
  const outcome = await parts.rooms.receiveAndForward(roomId, signed, request.signal)
  switch (outcome.kind) {
    case 'accepted':
      return { roomId, eventId, version, pdu: signed }
    case 'duplicate':
      return { roomId, eventId, version, pdu: await acceptedBefore(parts, eventId) }
    case 'soft-failed':
    case 'rejected':
      throw new MatrixError(403, 'M_FORBIDDEN', `The room does not allow it: ${outcome.reason}`)
    case 'missing':
      throw invalid('The event builds on events that are not known here')
    case 'unknown-room':
      throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
    default:
      return unreachable(outcome)
  }
}

/** The membership event: of a user of the asking server, about themself, with the id that the path names. */
function readMember(request: PeerRequest, body: JsonObject, version: RoomVersion, membership: AskedMembership): Pdu {
  const parsed = parsePdu(body, version)
  if (parsed.kind === 'bad') throw new MatrixError(400, 'M_BAD_JSON', `The event is malformed: ${parsed.reason}`)
  const { unsigned: _unsigned, ...pdu } = parsed.pdu
  const isOwn = pdu.type === 'm.room.member' && pdu.state_key === pdu.sender
  if (!isOwn || pdu.content['membership'] !== membership) throw invalid(`The event is no ${membership} of its sender`)
  if (pdu.room_id !== request.parameter('roomId')) throw invalid('The event is of another room')
  if (serverNameOf(pdu.sender) !== request.origin) throw invalid('The sender is of another server')
  if (eventIdOf(pdu, version) !== request.parameter('eventId')) throw invalid('The event has another id')
  if (!checkContentHash(pdu, version)) throw invalid('The event is not what was hashed')
  return pdu
}

/** A join that names a user of this server as the one who vouches for it gets this server's signature, if that is true. */
async function vouchedFor(parts: ServeParts, roomId: RoomId, pdu: Pdu, version: RoomVersion): Promise<Pdu> {
  const voucher = version.restrictedJoins ? parseUserId(ownMember(pdu.content, 'join_authorised_via_users_server')) : undefined
  if (voucher === undefined || serverNameOf(voucher) !== parts.serverName) return pdu
  const conditions = judgeJoinConditions(parts.rooms, parts.serverName, roomId, pdu.sender)
  switch (conditions.kind) {
    case 'none':
    case 'met':
      return parts.rooms.signPdu(pdu, version)
    default:
      throw conditionsError(conditions)
  }
}

async function acceptedBefore(parts: ServeParts, eventId: EventId): Promise<Pdu> {
  const event = await parts.rooms.event(eventId)
  if (event?.status === 'accepted') return event.pdu
  throw new MatrixError(403, 'M_FORBIDDEN', 'The room did not allow it')
}

function invalid(reason: string): MatrixError {
  return new MatrixError(400, 'M_INVALID_PARAM', reason)
}
