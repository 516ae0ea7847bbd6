import { serverNameOf, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import type { Restriction } from '../../accounts/tables.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { userIdFrom } from '../parameters.ts'

/** The owner of the node, who has its first account, is its administrator. */
export const adminEndpoints = [
  endpoint({
    method: 'GET',
    path: '/admin/whois/:userId',
    async handle(api, { session, params }) {
      const userId = userIdFrom(params.userId)
      if (userId !== session.userId) requireOwner(api, session)
      requireLocal(api, userId)
      return {
        user_id: userId,
        devices: Object.fromEntries(api.devices.of(userId).map(({ deviceId }) => [deviceId, seen(api, userId, deviceId)])),
      }
    },
  }),
  ...restrictionEndpoints('suspend', 'suspended'),
  ...restrictionEndpoints('lock', 'locked'),
]

function restrictionEndpoints(name: 'suspend' | 'lock', restriction: Restriction) {
  const path = `/admin/${name}/:userId` as const
  return [
    endpoint({
      method: 'GET',
      path,
      versions: ['v1'],
      async handle(api, { session, params }) {
        const userId = moderated(api, session, params.userId)
        return { [restriction]: api.accounts.isRestricted(userId, restriction) }
      },
    }),
    endpoint({
      method: 'PUT',
      path,
      versions: ['v1'],
      body: v.looseObject({ [restriction]: v.boolean() }),
      async handle(api, { session, params, body }) {
        const userId = moderated(api, session, params.userId)
        const wanted = body[restriction] === true
        await api.accounts.restrict(userId, restriction, wanted)
        if (wanted && restriction === 'locked') api.polls.endOfLocked(userId)
        return { [restriction]: wanted }
      },
    }),
  ]
}

/** Who asks is judged before anything is looked up: the answer must not tell strangers who has an account. */
function moderated(api: Api, session: Session, text: string): UserId {
  requireOwner(api, session)
  const userId = userIdFrom(text)
  requireLocal(api, userId)
  if (api.accounts.isOwner(userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'This is an administrator')
  return userId
}

function requireOwner(api: Api, session: Session): void {
  if (!api.accounts.isOwner(session.userId)) throw new MatrixError(403, 'M_FORBIDDEN', 'Only the owner of this node may do this')
}

function requireLocal(api: Api, userId: UserId): void {
  if (serverNameOf(userId) !== api.serverName) throw new MatrixError(400, 'M_INVALID_PARAM', 'This user belongs to another server')
  if (!api.accounts.exists(userId)) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
}

/** Where clients call from is not recorded: the node is where its user is. */
function seen(api: Api, userId: UserId, deviceId: string): object {
  const lastSeen = api.devices.lastSeen(userId, deviceId)
  return { sessions: [{ connections: lastSeen === undefined ? [] : [{ last_seen: lastSeen }] }] }
}
