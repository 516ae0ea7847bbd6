import { supportedRoomVersions } from '@kith/matrix-protocol'
import { endpoint, plainEndpoint } from '../endpoint.ts'
import { MatrixError } from '../../matrix-error.ts'

const specificationVersions = ['r0.5.0', 'r0.6.0', 'r0.6.1', ...Array.from({ length: 19 }, (_, index) => `v1.${index + 1}`)]

/** What works under names from before it was specified: some clients ask for no other. */
const unstableFeatures = {
  // Cross-signing.
  'org.matrix.e2e_cross_signing': true,
  // Private read receipts.
  'org.matrix.msc2285.stable': true,
  // Threads: as relations, in receipts, in unread counts, and as a list.
  'org.matrix.msc3440.stable': true,
  'org.matrix.msc3771': true,
  'org.matrix.msc3773': true,
  'org.matrix.msc3856.stable': true,
  // Relations of relations.
  'org.matrix.msc3981': true,
  // Events by time, and public rooms by type.
  'org.matrix.msc3030': true,
  'org.matrix.msc3827.stable': true,
  // Rooms shared with another user.
  'uk.half-shot.msc2666.query_mutual_rooms': true,
  // Extended profile fields.
  'uk.tcpip.msc4133': true,
  'uk.tcpip.msc4133.stable': true,
  // Registration tokens.
  'org.matrix.msc3231': true,
  'org.matrix.msc4222': true,
  // Devices that collect keys while their user has no other.
  'org.matrix.msc3814': true,
  'org.matrix.simplified_msc3575': true,
  'im.kith': true,
}

export const discoveryEndpoints = [
  plainEndpoint(['/_matrix/client/versions'], async () => ({ versions: specificationVersions, unstable_features: unstableFeatures })),
  plainEndpoint(['/.well-known/matrix/client'], async (_api, url) => ({ 'm.homeserver': { base_url: url.origin } })),
  // A node is reached by the name that is its key, and by no other.
  plainEndpoint(['/.well-known/matrix/server'], async (api) => ({ 'm.server': api.serverName })),
  plainEndpoint(['/.well-known/matrix/support'], async () => {
    throw new MatrixError(404, 'M_NOT_FOUND', 'Nobody is named whom users of this node could ask')
  }),
  plainEndpoint(['/.well-known/matrix/policy_server'], async () => {
    throw new MatrixError(404, 'M_NOT_FOUND', 'This is no policy server')
  }),
  // Clients tell by this answer that they log in with a password.
  endpoint({
    method: 'GET',
    path: '/auth_metadata',
    versions: ['v1', 'unstable/org.matrix.msc2965'],
    auth: 'none',
    async handle() {
      throw new MatrixError(404, 'M_UNRECOGNIZED', 'OAuth 2.0 is not offered')
    },
  }),
  endpoint({
    method: 'GET',
    path: '/capabilities',
    async handle(api, { session }) {
      const hasPassword = api.accounts.canProve(session.userId)
      return {
        capabilities: {
          'm.change_password': { enabled: hasPassword },
          'm.room_versions': {
            default: api.defaultRoomVersion.id,
            available: Object.fromEntries(supportedRoomVersions.map(({ id, stability }) => [id, stability])),
          },
          'm.set_displayname': { enabled: true },
          'm.set_avatar_url': { enabled: true },
          'm.profile_fields': { enabled: true },
          'm.3pid_changes': { enabled: false },
          'm.get_login_token': { enabled: hasPassword },
          ...(api.accounts.isOwner(session.userId) ? { 'm.account_moderation': { suspend: true, lock: true } } : {}),
        },
      }
    },
  }),
  // There are no turn servers: peers find their own way to each other.
  endpoint({ method: 'GET', path: '/voip/turnServer', handle: async () => ({}) }),
]
