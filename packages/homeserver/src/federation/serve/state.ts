import type { EventId } from '@kith/matrix-protocol'
import type { StoredEvent } from '../../rooms/index.ts'
import { MatrixError } from '../../matrix-error.ts'
import { pduJson } from '../transaction.ts'
import {
  eventIdParameter,
  eventIdQuery,
  refusePartial,
  roomIdParameter,
  sharedOrLostRoom,
  sharedRoom,
  storedEvent,
} from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1stateroomid */
export function stateEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/state/:roomId',
    async handle(request) {
      const { stateIds, authChain } = await stateAt(parts, request)
      const state = (await parts.rooms.events(stateIds)).filter((event) => event !== undefined)
      if (state.length < stateIds.length) throw unknownState()
      return { pdus: state.map((event) => pduJson(event.pdu)), auth_chain: authChain.map((event) => pduJson(event.pdu)) }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1state_idsroomid */
export function stateIdsEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/state_ids/:roomId',
    async handle(request) {
      const { stateIds, authChain } = await stateAt(parts, request)
      return { pdu_ids: stateIds, auth_chain_ids: authChain.map((event) => event.eventId) }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1event_authroomideventid */
export function eventAuthEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/event_auth/:roomId/:eventId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const wanted = eventIdParameter(request)
      sharedRoom(parts, request, roomId)
      const event = await storedEvent(parts, roomId, wanted)
      const chain = await authChainOf(parts, [event.eventId])
      return { auth_chain: chain.map(({ pdu }) => pduJson(pdu)) }
    },
  }
}

/** The state before the event that the query names, with the auth chain of it. */
async function stateAt(
  parts: ServeParts,
  request: PeerRequest,
): Promise<{ readonly stateIds: readonly EventId[]; readonly authChain: readonly StoredEvent[] }> {
  const roomId = roomIdParameter(request)
  const wanted = eventIdQuery(request)
  const { isInReach } = await sharedOrLostRoom(parts, request, roomId)
  // Half a state would pass for the whole one.
  refusePartial(parts, roomId)
  const event = await storedEvent(parts, roomId, wanted)
  if (!isInReach(event)) throw unknownState()
  const before = await parts.rooms.stateIdsBefore(event.eventId)
  if (before === undefined) throw unknownState()
  const stateIds = [...before.values()]
  return { stateIds, authChain: await authChainOf(parts, stateIds) }
}

function unknownState(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'The state at this event is not known here')
}

async function authChainOf(parts: ServeParts, eventIds: readonly EventId[]): Promise<StoredEvent[]> {
  const chain = await parts.rooms.authChain(eventIds)
  if (chain === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'The auth chain is too long for this server')
  return chain
}
