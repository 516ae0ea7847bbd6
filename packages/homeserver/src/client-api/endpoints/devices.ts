import type { UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { removeDevices } from '../remove-devices.ts'
import { authSchema } from '../schemas.ts'

export const deviceEndpoints = [
  endpoint({
    method: 'GET',
    path: '/devices',
    handle: async (api, { session }) => ({
      devices: api.accounts.devices(session.userId).map((device) => describe(api, session.userId, device.deviceId)),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/devices/:deviceId',
    handle: async (api, { session, params }) => describe(api, session.userId, params.deviceId),
  }),
  endpoint({
    method: 'PUT',
    path: '/devices/:deviceId',
    body: v.looseObject({ display_name: v.optional(v.pipe(v.string(), v.maxLength(limits.implementation.displayNameLengthMax))) }),
    async handle(api, { session, params, body }) {
      const device = api.accounts.device(session.userId, params.deviceId)
      if (device === undefined) throw unknownDevice()
      const { display_name: displayName } = body
      if (displayName === undefined || displayName === device.displayName) return {}
      await api.keys.deviceRenamed(device, displayName)
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/devices/:deviceId',
    body: v.looseObject({ auth: authSchema }),
    async handle(api, { session, params, body }) {
      if (api.accounts.device(session.userId, params.deviceId) === undefined) throw unknownDevice()
      api.interactiveAuth.require(body.auth, { purpose: `delete ${params.deviceId}`, stage: 'm.login.password', userId: session.userId })
      await removeDevices(api, session.userId, [params.deviceId])
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/delete_devices',
    body: v.looseObject({ auth: authSchema, devices: v.pipe(v.array(v.string()), v.maxLength(limits.implementation.devicesPerUserMax)) }),
    async handle(api, { session, body }) {
      api.interactiveAuth.require(body.auth, {
        purpose: `delete ${body.devices.join(' ')}`,
        stage: 'm.login.password',
        userId: session.userId,
      })
      await removeDevices(api, session.userId, body.devices)
      return {}
    },
  }),
]

function describe(api: Api, userId: UserId, deviceId: string): object {
  const device = api.accounts.device(userId, deviceId)
  if (device === undefined) throw unknownDevice()
  const lastSeen = api.accounts.lastSeen(userId, deviceId)
  return {
    device_id: deviceId,
    user_id: userId,
    ...(device.displayName === undefined ? {} : { display_name: device.displayName }),
    ...(lastSeen === undefined ? {} : { last_seen_ts: lastSeen }),
  }
}

function unknownDevice(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such device')
}
