import type { UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { removeDevices } from '../../keys/remove-devices.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { openSession } from '../open-session.ts'
import { authSchema, deviceIdSchema, deviceNameSchema } from '../schemas.ts'

export const deviceEndpoints = [
  endpoint({
    method: 'GET',
    path: '/devices',
    handle: async (api, { session }) => ({
      devices: api.devices.of(session.userId).map((device) => describe(api, session.userId, device.deviceId)),
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
    body: v.looseObject({ display_name: v.optional(deviceNameSchema) }),
    async handle(api, { session, params, body }) {
      const { display_name: displayName } = body
      if (await makeForService(api, session, params.deviceId, displayName)) return Response.json({}, { status: 201 })
      await api.devices.serially(session.userId, async () => {
        const device = api.devices.get(session.userId, params.deviceId)
        if (device === undefined) throw unknownDevice()
        if (displayName !== undefined && displayName !== device.displayName) await api.keys.deviceRenamed(device, displayName)
      })
      return {}
    },
  }),
  // A device that is gone already is removed as well as it can be.
  endpoint({
    method: 'DELETE',
    path: '/devices/:deviceId',
    body: v.looseObject({ auth: authSchema }),
    async handle(api, { session, params, body, caller }) {
      const purpose = `delete ${params.deviceId}`
      if (session.appServiceId === undefined)
        api.interactiveAuth.require(body.auth, { purpose, stages: ['m.login.password'], userId: session.userId }, caller)
      await removeDevices(api, session.userId, [params.deviceId])
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/delete_devices',
    body: v.looseObject({ auth: authSchema, devices: v.pipe(v.array(v.string()), v.maxLength(limits.implementation.devicesPerUserMax)) }),
    async handle(api, { session, body, caller }) {
      const purpose = `delete ${JSON.stringify(body.devices)}`
      if (session.appServiceId === undefined)
        api.interactiveAuth.require(body.auth, { purpose, stages: ['m.login.password'], userId: session.userId }, caller)
      await removeDevices(api, session.userId, body.devices)
      return {}
    },
  }),
]

/**
 * An application service's users have devices that nobody logged in to: their tokens are given to nobody. True when there was none of the id.
 * @see https://spec.matrix.org/latest/application-service-api/#device-management
 */
async function makeForService(api: Api, session: Session, deviceId: string, displayName: string | undefined): Promise<boolean> {
  if (session.appServiceId === undefined || api.devices.get(session.userId, deviceId) !== undefined) return false
  if (!v.is(deviceIdSchema, deviceId)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a device id')
  await openSession(api, session.userId, { device_id: deviceId, initial_device_display_name: displayName, refresh_token: false })
  return true
}

function describe(api: Api, userId: UserId, deviceId: string): object {
  const device = api.devices.get(userId, deviceId)
  if (device === undefined) throw unknownDevice()
  const lastSeen = api.devices.lastSeen(userId, deviceId)
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
