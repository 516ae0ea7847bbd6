import type { UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { removeDevicesInTurn } from '../../keys/remove-devices.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import type { Proven, Wanted } from '../interactive-auth.ts'
import { userLocked } from '../restrictions.ts'
import { authSchema, passwordSchema } from '../schemas.ts'

const changePasswordSchema = v.looseObject({
  auth: authSchema,
  new_password: passwordSchema,
  logout_devices: v.optional(v.boolean(), true),
})

/** Both also work without a session: the password says whose account it is. */
export const accountEndpoints = [
  endpoint({
    method: 'GET',
    path: '/account/whoami',
    handle: async (_api, { session }) => ({
      user_id: session.userId,
      ...(session.deviceId === '' ? {} : { device_id: session.deviceId }),
      is_guest: false,
    }),
  }),
  endpoint({
    method: 'POST',
    path: '/account/password',
    auth: 'optional',
    body: changePasswordSchema,
    async handle(api, { session, body, caller }) {
      const userId = provenUser(api, api.interactiveAuth.require(body.auth, passwordOf(session?.userId, 'password'), caller))
      await changePassword(api, userId, body.new_password, body.logout_devices ? { except: session?.deviceId } : undefined)
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/account/deactivate',
    auth: 'optional',
    body: v.looseObject({ auth: authSchema, erase: v.optional(v.boolean(), false), id_server: v.optional(v.string()) }),
    async handle(api, { session, body, caller }) {
      const wanted = passwordOf(session?.userId, `deactivate ${body.erase}`)
      const userId = isMadeByService(api, session)
        ? session.userId
        : provenUser(api, api.interactiveAuth.require(body.auth, wanted, caller))
      await api.deactivations.deactivate(userId, body.erase)
      // No address was ever bound to it, so there is none to unbind.
      return { id_server_unbind_result: 'success' }
    },
  }),
]

/**
 * The new password and the end of other sessions are one commit, and no login comes in between: whoever knew the old password must not stay
 * in by a crash, nor by being quick.
 */
async function changePassword(
  api: Api,
  userId: UserId,
  password: string,
  logOut: { readonly except: string | undefined } | undefined,
): Promise<void> {
  if (logOut === undefined) return api.accounts.setPassword(userId, password)
  await api.devices.serially(userId, async () => {
    const deviceIds = api.devices.of(userId).flatMap(({ deviceId }) => (deviceId === logOut.except ? [] : [deviceId]))
    await api.accounts.setPassword(userId, password, async (batch) => removeDevicesInTurn(api, userId, deviceIds, batch))
  })
}

function passwordOf(userId: UserId | undefined, purpose: string): Wanted {
  return { purpose, stages: ['m.login.password'], ...(userId === undefined ? {} : { userId }) }
}

/** Whom a service made, it may end: they have no password. Not so its sender, without whom it can do nothing, nor people in its namespaces. */
function isMadeByService(api: Api, session: Session | undefined): session is Session {
  const service = api.appServices.get(session?.appServiceId)
  if (session === undefined || service === undefined || session.userId === service.senderId) return false
  return api.accounts.appServiceOf(session.userId) === service.id
}

/** A password opens a locked account no more than a token does. */
function provenUser(api: Api, proven: Proven): UserId {
  if (proven === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'Nobody has proven to be the user of this account')
  if (api.accounts.isRestricted(proven, 'locked')) throw userLocked()
  return proven
}
