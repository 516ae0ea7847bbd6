import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { removeDevices } from '../remove-devices.ts'
import { logIn } from './registration.ts'

const loginSchema = v.looseObject({
  type: v.string(),
  identifier: v.optional(v.looseObject({ type: v.string(), user: v.optional(v.string()) })),
  user: v.optional(v.string()),
  password: v.optional(v.string()),
  device_id: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  initial_device_display_name: v.optional(v.pipe(v.string(), v.maxLength(limits.implementation.displayNameLengthMax))),
})

export const loginEndpoints = [
  endpoint({ method: 'GET', path: '/login', auth: 'none', handle: async () => ({ flows: [{ type: 'm.login.password' }] }) }),
  endpoint({
    method: 'POST',
    path: '/login',
    auth: 'none',
    body: loginSchema,
    async handle(api, { body }) {
      if (body.type !== 'm.login.password') throw new MatrixError(400, 'M_UNKNOWN', 'This way of logging in is not offered')
      const name = body.identifier === undefined ? body.user : body.identifier.type === 'm.id.user' ? body.identifier.user : undefined
      if (name === undefined || body.password === undefined)
        throw new MatrixError(400, 'M_MISSING_PARAM', 'A user and a password are needed')
      const userId = api.accounts.localUserId(name)
      if (userId === undefined || !api.accounts.hasPassword(userId, body.password)) {
        throw new MatrixError(403, 'M_FORBIDDEN', 'Unknown user or wrong password')
      }
      return logIn(api, userId, body)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/logout',
    async handle(api, { session }) {
      await removeDevices(api, session.userId, [session.deviceId])
      return {}
    },
  }),
  endpoint({
    method: 'POST',
    path: '/logout/all',
    async handle(api, { session }) {
      await removeDevices(
        api,
        session.userId,
        api.accounts.devices(session.userId).map((device) => device.deviceId),
      )
      return {}
    },
  }),
]
