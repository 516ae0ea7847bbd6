import {
  isJsonObject,
  type JsonObject,
  ownMember,
  ownString,
  roomVersion,
  roomVersionNamed,
  supportedRoomVersions,
  unreachable,
} from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import { pduJson } from '../transaction.ts'
import { eventIdParameter, roomIdParameter } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import { refuseShutOut } from './server-acl.ts'
import type { ServeParts } from './serve-parts.ts'

/**
 * Both versions: the first is for room versions 1 and 2, and wraps its answer.
 * @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2inviteroomideventid
 */
export function inviteEndpoints(parts: ServeParts): Endpoint[] {
  return [
    {
      method: 'PUT',
      path: '/_matrix/federation/v2/invite/:roomId/:eventId',
      handle: async (request) => receiveInvite(parts, request, await request.jsonObject()),
    },
    {
      method: 'PUT',
      path: '/_matrix/federation/v1/invite/:roomId/:eventId',
      handle: async (request) => Response.json([200, await receiveInvite(parts, request, fromVersion1(await request.jsonObject()))]),
    },
  ]
}

async function receiveInvite(parts: ServeParts, request: PeerRequest, body: JsonObject): Promise<JsonObject> {
  const { event, room_version: version } = body
  const roomId = roomIdParameter(request)
  if (typeof version !== 'string') throw new MatrixError(400, 'M_MISSING_PARAM', '`room_version` is missing')
  if (roomVersion(version) === undefined) throw incompatible(version)
  if (!isJsonObject(event)) throw new MatrixError(400, 'M_MISSING_PARAM', '`event` is missing')
  if (ownMember(event, 'room_id') !== roomId) throw new MatrixError(400, 'M_INVALID_PARAM', 'The event is of another room')
  refuseShutOut(parts.rooms, roomId, request.origin)
  const outcome = await parts.invites.receive(request.origin, eventIdParameter(request), body, request.signal)
  switch (outcome.kind) {
    case 'received':
      return { event: pduJson(outcome.event) }
    case 'unsupported-version':
      throw incompatible(version)
    case 'malformed':
      throw new MatrixError(400, 'M_BAD_JSON', outcome.reason)
    case 'invalid':
      throw new MatrixError(400, 'M_INVALID_PARAM', outcome.reason)
    case 'forbidden':
      throw new MatrixError(403, 'M_FORBIDDEN', outcome.reason)
    case 'blocked':
      throw new MatrixError(403, 'M_INVITE_BLOCKED', 'The invited user takes no invites')
    default:
      return unreachable(outcome)
  }
}

/** The body that the second version of the endpoint has. The first names no room version; the create event may. */
function fromVersion1(event: JsonObject): JsonObject {
  const unsigned = isJsonObject(event['unsigned']) ? event['unsigned'] : {}
  const state = unsigned['invite_room_state'] ?? []
  const items: readonly unknown[] = Array.isArray(state) ? state : []
  const create = items.find((item) => isJsonObject(item) && item['type'] === 'm.room.create')
  const content = isJsonObject(create) && isJsonObject(create['content']) ? create['content'] : undefined
  const named = roomVersionNamed(ownString(content, 'room_version'))
  return { room_version: named?.eventIds === 'given' ? named.id : '1', event, invite_room_state: state }
}

function incompatible(version: string): MatrixError {
  const known = supportedRoomVersions.map(({ id }) => id).join()
  return new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', `Known room versions: ${known}`, { room_version: version })
}
