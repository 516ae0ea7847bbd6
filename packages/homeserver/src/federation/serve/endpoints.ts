import { backfillEndpoint } from './backfill.ts'
import { eventEndpoint } from './event.ts'
import { getMissingEventsEndpoint } from './get-missing-events.ts'
import { inviteEndpoint } from './invite.ts'
import { makeJoinEndpoint, makeLeaveEndpoint } from './make-membership.ts'
import { queryDirectoryEndpoint, queryProfileEndpoint } from './query-profile.ts'
import { mailWaitingEndpoint, relayListEndpoint } from './relay-endpoints.ts'
import type { Endpoint } from './router.ts'
import { sendJoinEndpoint, sendLeaveEndpoint } from './send-membership.ts'
import { sendEndpoint } from './send.ts'
import type { ServeParts } from './serve-parts.ts'
import { serverKeyEndpoint, versionEndpoint } from './server-facts.ts'
import { eventAuthEndpoint, stateEndpoint, stateIdsEndpoint } from './state.ts'
import { claimKeysEndpoint, queryKeysEndpoint, userDevicesEndpoint } from './user-keys.ts'

/** Everything that a homeserver answers to other servers. */
export function federationEndpoints(parts: ServeParts): Endpoint[] {
  return [
    sendEndpoint(parts),
    inviteEndpoint(parts),
    makeJoinEndpoint(parts),
    sendJoinEndpoint(parts),
    makeLeaveEndpoint(parts),
    sendLeaveEndpoint(parts),
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
}
