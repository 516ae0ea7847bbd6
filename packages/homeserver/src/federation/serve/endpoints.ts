import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { RoomBusyError } from '../../rooms/index.ts'
import { backfillEndpoint } from './backfill.ts'
import { hierarchyEndpoint, publicRoomsEndpoint, queryDirectoryEndpoint, searchPublicRoomsEndpoint } from './directory.ts'
import { eventEndpoint } from './event.ts'
import { getMissingEventsEndpoint } from './get-missing-events.ts'
import { inviteEndpoints } from './invite.ts'
import { makeJoinEndpoint, makeKnockEndpoint, makeLeaveEndpoint } from './make-membership.ts'
import { mediaEndpoints } from './media.ts'
import { openIdUserInfoEndpoint } from './openid-userinfo.ts'
import { queryProfileEndpoint } from './query-profile.ts'
import { mailWaitingEndpoint, relayListEndpoint } from './relay-endpoints.ts'
import type { Endpoint } from './router.ts'
import { sendJoinEndpoints, sendKnockEndpoint, sendLeaveEndpoints } from './send-membership.ts'
import { sendEndpoint } from './send.ts'
import type { ServeParts } from './serve-parts.ts'
import { notaryBulkQueryEndpoint, notaryQueryEndpoint, serverKeyEndpoint, versionEndpoint, wellKnownEndpoint } from './server-facts.ts'
import { eventAuthEndpoint, stateEndpoint, stateIdsEndpoint } from './state.ts'
import { exchangeThirdPartyInviteEndpoint, onBindEndpoint } from './third-party-invites.ts'
import { timestampToEventEndpoint } from './timestamp-to-event.ts'
import { claimKeysEndpoint, queryKeysEndpoint, userDevicesEndpoint } from './user-keys.ts'

/**
 * Everything that a homeserver answers to other servers: all operations of the specification's server-server API but one, and Kith's own.
 * A policy server signs events (POST /_matrix/policy/v1/sign); this server is none, and says so as for any other unknown path, with
 * 404 M_UNRECOGNIZED. See docs/decisions/0007-policy-servers.md.
 */
export function federationEndpoints(parts: ServeParts): Endpoint[] {
  const endpoints = [
    // Events, and where they stand.
    sendEndpoint(parts),
    eventEndpoint(parts),
    eventAuthEndpoint(parts),
    stateEndpoint(parts),
    stateIdsEndpoint(parts),
    backfillEndpoint(parts),
    getMissingEventsEndpoint(parts),
    timestampToEventEndpoint(parts),
    // Coming and going.
    makeJoinEndpoint(parts),
    ...sendJoinEndpoints(parts),
    makeKnockEndpoint(parts),
    sendKnockEndpoint(parts),
    makeLeaveEndpoint(parts),
    ...sendLeaveEndpoints(parts),
    ...inviteEndpoints(parts),
    exchangeThirdPartyInviteEndpoint(parts),
    onBindEndpoint(parts),
    // Rooms to be found.
    queryDirectoryEndpoint(parts),
    publicRoomsEndpoint(parts),
    searchPublicRoomsEndpoint(parts),
    hierarchyEndpoint(parts),
    // Users and what is theirs.
    queryProfileEndpoint(parts),
    userDevicesEndpoint(parts),
    queryKeysEndpoint(parts),
    claimKeysEndpoint(parts),
    openIdUserInfoEndpoint(parts),
    ...mediaEndpoints(parts),
    // The server itself.
    versionEndpoint(parts, 'Kith'),
    wellKnownEndpoint(parts),
    serverKeyEndpoint(parts),
    notaryQueryEndpoint(parts),
    notaryBulkQueryEndpoint(parts),
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
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'The room is busy', { retry_after_ms: limits.implementation.roomBusyRetryMs })
      }
    },
  }
}
