import type { JsonObject } from '@kith/matrix-protocol'
import { stateForOutsiders } from '../invite-body.ts'
import { answerToJoin, answerToPartialJoin } from './join-state.ts'
import { receiveMember } from './receive-member.ts'
import { roomIdParameter } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import { NOTHING, type ServeParts } from './serve-parts.ts'

/**
 * Both versions: the first wraps its answer.
 * @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2send_joinroomideventid
 */
export function sendJoinEndpoints(parts: ServeParts): Endpoint[] {
  const join = async (request: PeerRequest, omitMembers: boolean): Promise<JsonObject> => {
    const roomId = roomIdParameter(request)
    const joined = await receiveMember(parts, request, roomId, 'join')
    return omitMembers ? answerToPartialJoin(parts, joined) : answerToJoin(parts, joined)
  }
  return inBothVersions('/send_join/:roomId/:eventId', join)
}

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2send_leaveroomideventid */
export function sendLeaveEndpoints(parts: ServeParts): Endpoint[] {
  const leave = async (request: PeerRequest): Promise<JsonObject> => {
    await receiveMember(parts, request, roomIdParameter(request), 'leave')
    return NOTHING
  }
  return inBothVersions('/send_leave/:roomId/:eventId', leave)
}

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv1send_knockroomideventid */
export function sendKnockEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v1/send_knock/:roomId/:eventId',
    async handle(request) {
      const { roomId } = await receiveMember(parts, request, roomIdParameter(request), 'knock')
      const state = parts.rooms.state(roomId)
      return { knock_room_state: state === undefined ? [] : stateForOutsiders(state, []) }
    },
  }
}

function inBothVersions(path: string, answer: (request: PeerRequest, omitMembers: boolean) => Promise<JsonObject>): Endpoint[] {
  return [
    { method: 'PUT', path: `/_matrix/federation/v1${path}`, handle: async (request) => Response.json([200, await answer(request, false)]) },
    {
      method: 'PUT',
      path: `/_matrix/federation/v2${path}`,
      handle: (request) => answer(request, request.query.get('omit_members') === 'true'),
    },
  ]
}
