import { MatrixError } from '../../matrix-error.ts'
import { RoomBusyError } from '../../rooms/index.ts'
import { backfillEndpoint } from './backfill.ts'
import { eventEndpoint } from './event.ts'
import { getMissingEventsEndpoint } from './get-missing-events.ts'
import { inviteEndpoints } from './invite.ts'
import { makeJoinEndpoint, makeKnockEndpoint, makeLeaveEndpoint } from './make-membership.ts'
import { queryDirectoryEndpoint, queryProfileEndpoint } from './query-profile.ts'
import { mailWaitingEndpoint, relayListEndpoint } from './relay-endpoints.ts'
import type { Endpoint } from './router.ts'
import { sendJoinEndpoints, sendKnockEndpoint, sendLeaveEndpoints } from './send-membership.ts'
import { sendEndpoint } from './send.ts'
import type { ServeParts } from './serve-parts.ts'
import { serverKeyEndpoint, versionEndpoint } from './server-facts.ts'
import { eventAuthEndpoint, stateEndpoint, stateIdsEndpoint } from './state.ts'
import { exchangeThirdPartyInviteEndpoint, onBindEndpoint } from './third-party-invites.ts'
import { claimKeysEndpoint, queryKeysEndpoint, userDevicesEndpoint } from './user-keys.ts'

const ROOM_BUSY_RETRY_MS = 2_000

/** Everything that a homeserver answers to other servers. */
export function federationEndpoints(parts: ServeParts): Endpoint[] {
  const endpoints = [
    sendEndpoint(parts),
    ...inviteEndpoints(parts),
    makeJoinEndpoint(parts),
    ...sendJoinEndpoints(parts),
    makeLeaveEndpoint(parts),
    ...sendLeaveEndpoints(parts),
    makeKnockEndpoint(parts),
    sendKnockEndpoint(parts),
    exchangeThirdPartyInviteEndpoint(parts),
    onBindEndpoint(parts),
    backfillEndpoint(parts),
    getMissingEventsEndpoint(parts),
    eventEndpoint(parts),
    stateEndpoint(parts),
    stateIdsEndpoint(parts),
    eventAuthEndpoint(parts),
    queryProfileEndpoint(parts),
    queryDirectoryEndpoint(),
    queryKeysEndpoint(parts),
    claimKeysEndpoint(parts),
    userDevicesEndpoint(parts),
    versionEndpoint(parts, 'Kith'),
    serverKeyEndpoint(parts),
    relayListEndpoint(parts),
    mailWaitingEndpoint(parts),
  ]
  return endpoints.map(answeringBusyRooms)
}

/** A room with too many changes waiting is a reason to come again, no fault. */
function answeringBusyRooms(endpoint: Endpoint): Endpoint {
  return {
    ...endpoint,
    async handle(request) {
      try {
        return await endpoint.handle(request)
      } catch (error) {
        if (!(error instanceof RoomBusyError)) throw error
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'The room is busy', { retry_after_ms: ROOM_BUSY_RETRY_MS })
      }
    },
  }
}
