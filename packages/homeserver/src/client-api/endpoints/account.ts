import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { endpoint } from '../endpoint.ts'
import { removeDevices } from '../remove-devices.ts'
import { authSchema } from '../schemas.ts'

const passwordSchema = v.looseObject({
  auth: authSchema,
  new_password: v.pipe(v.string(), v.minLength(1), v.maxLength(limits.implementation.passwordLengthMax)),
  logout_devices: v.optional(v.boolean(), true),
})

export const accountEndpoints = [
  endpoint({
    method: 'GET',
    path: '/account/whoami',
    handle: async (_api, { session }) => ({ user_id: session.userId, device_id: session.deviceId, is_guest: false }),
  }),
  endpoint({
    method: 'POST',
    path: '/account/password',
    body: passwordSchema,
    async handle(api, { session, body }) {
      api.interactiveAuth.require(body.auth, { purpose: 'password', stage: 'm.login.password', userId: session.userId })
      await api.accounts.setPassword(session.userId, body.new_password)
      if (body.logout_devices) {
        const others = api.accounts.devices(session.userId).filter((device) => device.deviceId !== session.deviceId)
        await removeDevices(
          api,
          session.userId,
          others.map((device) => device.deviceId),
        )
      }
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/account/deactivate',
    body: v.looseObject({ auth: authSchema }),
    async handle(api, { session, body, signal }) {
      api.interactiveAuth.require(body.auth, { purpose: 'deactivate', stage: 'm.login.password', userId: session.userId })
      for (const roomId of api.rooms.joinedRooms(session.userId)) {
        await api.rooms.send(
          { roomId, sender: session.userId, type: 'm.room.member', stateKey: session.userId, content: { membership: 'leave' } },
          signal,
        )
      }
      await api.accounts.deactivate(session.userId)
      await removeDevices(
        api,
        session.userId,
        api.accounts.devices(session.userId).map((device) => device.deviceId),
      )
      return { id_server_unbind_result: 'no-support' }
    },
  }),
  endpoint({ method: 'GET', path: '/account/3pid', handle: async () => ({ threepids: [] }) }),
]
