import type { StoredEvent } from '../../rooms/index.ts'
import { MatrixError } from '../../matrix-error.ts'
import { pduJson } from '../transaction.ts'
import { eventIdParameter, eventIdQuery, refusePartial, roomIdParameter, sharedRoom, storedEvent } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1stateroomid */
export function stateEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/state/:roomId',
    async handle(request) {
      const { state, authChain } = await stateAt(parts, request)
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
      const { state, authChain } = await stateAt(parts, request)
      return { pdu_ids: state.map((event) => event.eventId), auth_chain_ids: authChain.map((event) => event.eventId) }
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
      sharedRoom(parts, request, roomId)
      const event = await storedEvent(parts, roomId, eventIdParameter(request))
      const chain = await authChainOf(parts, [event.eventId])
      return { auth_chain: chain.map(({ pdu }) => pduJson(pdu)) }
    },
  }
}

/** The state before the event that the query names. */
async function stateAt(parts: ServeParts, request: PeerRequest): Promise<{ state: StoredEvent[]; authChain: StoredEvent[] }> {
  const roomId = roomIdParameter(request)
  sharedRoom(parts, request, roomId)
  refusePartial(parts, roomId)
  const event = await storedEvent(parts, roomId, eventIdQuery(request))
  const before = await parts.rooms.stateBefore(event.eventId)
  if (before === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The state at this event is not known here')
  const state = [...before.entries()]
  return {
    state,
    authChain: await authChainOf(
      parts,
      state.map(({ eventId }) => eventId),
    ),
  }
}

async function authChainOf(parts: ServeParts, eventIds: readonly StoredEvent['eventId'][]): Promise<StoredEvent[]> {
  const chain = await parts.rooms.authChain(eventIds)
  if (chain === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'The auth chain is too long for this server')
  return chain
}
