import { supportedRoomVersions } from '@kith/matrix-protocol'
import { endpoint, plainEndpoint } from '../endpoint.ts'
import { MatrixError } from '../../matrix-error.ts'

const specificationVersions = ['r0.5.0', 'r0.6.0', 'r0.6.1', ...Array.from({ length: 19 }, (_, index) => `v1.${index + 1}`)]

/** Unstable features that work. */
const unstableFeatures = {
  'org.matrix.msc4222': true,
  'im.kith': true,
}

export const discoveryEndpoints = [
  plainEndpoint(['/_matrix/client/versions'], async () => ({ versions: specificationVersions, unstable_features: unstableFeatures })),
  plainEndpoint(['/.well-known/matrix/client'], async (_api, url) => ({ 'm.homeserver': { base_url: url.origin } })),
  // A node is reached by the name that is its key, and by no other.
  plainEndpoint(['/.well-known/matrix/server'], async (api) => ({ 'm.server': api.serverName })),
  endpoint({
    method: 'GET',
    path: '/capabilities',
    async handle(api) {
      return {
        capabilities: {
          'm.change_password': { enabled: true },
          'm.room_versions': {
            default: api.defaultRoomVersion.id,
            available: Object.fromEntries(supportedRoomVersions.map(({ id, stability }) => [id, stability])),
          },
          'm.set_displayname': { enabled: true },
          'm.set_avatar_url': { enabled: true },
          'm.profile_fields': { enabled: true },
          'm.3pid_changes': { enabled: false },
          'm.get_login_token': { enabled: false },
        },
      }
    },
  }),
  // There are no turn servers: peers find their own way to each other.
  endpoint({ method: 'GET', path: '/voip/turnServer', handle: async () => ({}) }),
  endpoint({ method: 'GET', path: '/thirdparty/protocols', handle: async () => ({}) }),
  endpoint({
    method: 'GET',
    path: '/dehydrated_device',
    versions: ['unstable/org.matrix.msc3814.v1'],
    async handle() {
      throw new MatrixError(404, 'M_NOT_FOUND', 'There is no dehydrated device')
    },
  }),
]
