import { type JsonObject, type RoomId, unreachable, type UserId } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { judgeJoinConditions } from '../membership/join-conditions.ts'
import type { AskedMembership } from '../membership/member-template.ts'
import { conditionsError } from './join-conditions-error.ts'
import { heldRoom, ownUserParameter, refusePartial, roomIdParameter } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_joinroomiduserid */
export function makeJoinEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/make_join/:roomId/:userId',
    async handle(request) {
      const target = readTarget(parts, request)
      checkEntry(parts, request, target.roomId, ['1'])
      return makeTemplate(parts, request, target, { membership: 'join', ...joinVoucher(parts, target) })
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_knockroomiduserid */
export function makeKnockEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/make_knock/:roomId/:userId',
    async handle(request) {
      const target = readTarget(parts, request)
      checkEntry(parts, request, target.roomId, [])
      return makeTemplate(parts, request, target, { membership: 'knock' })
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1make_leaveroomiduserid */
export function makeLeaveEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/make_leave/:roomId/:userId',
    handle: async (request) => makeTemplate(parts, request, readTarget(parts, request), { membership: 'leave' }),
  }
}

interface Target {
  readonly roomId: RoomId
  readonly userId: UserId
}

/** @throws MatrixError for a room that is not held here, and a server that it shuts out. */
function readTarget(parts: ServeParts, request: PeerRequest): Target {
  const roomId = roomIdParameter(request)
  const userId = ownUserParameter(request)
  heldRoom(parts, request, roomId)
  return { roomId, userId }
}

/** Of those who come in: they need a server that knows the room, and must know its version. */
function checkEntry(parts: ServeParts, request: PeerRequest, roomId: RoomId, otherwise: readonly string[]): void {
  const { version } = heldRoom(parts, request, roomId)
  refusePartial(parts, roomId)
  const named = request.query.getAll('ver')
  if ((named.length === 0 ? otherwise : named).includes(version.id)) return
  throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', 'Your server does not know the version of this room', {
    room_version: version.id,
  })
}

/** Who of this server vouches that the user meets a condition of a restricted room. @throws MatrixError when nobody can. */
function joinVoucher(parts: ServeParts, { roomId, userId }: Target): JsonObject {
  const conditions = judgeJoinConditions(parts.rooms, parts.serverName, roomId, userId)
  if (conditions.kind === 'none') return {}
  if (conditions.kind === 'met') return { join_authorised_via_users_server: conditions.voucher }
  throw conditionsError(conditions)
}

async function makeTemplate(
  parts: ServeParts,
  request: PeerRequest,
  { roomId, userId }: Target,
  content: JsonObject & { readonly membership: AskedMembership },
): Promise<JsonObject> {
  const draft = { roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }
  const outcome = await parts.rooms.makeTemplate(draft, request.signal)
  switch (outcome.kind) {
    case 'template':
      return { event: { ...outcome.event, origin: parts.serverName }, room_version: outcome.version }
    case 'denied':
      throw new MatrixError(403, 'M_FORBIDDEN', `The room does not allow it: ${outcome.rule}`)
    case 'unknown-room':
      throw new MatrixError(404, 'M_NOT_FOUND', 'This server is not in the room')
    default:
      return unreachable(outcome)
  }
}
