import { isJsonObject, type JsonObject, parseUserId, serverNameOf, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { localUser } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

/** A record alone would take a list for one. */
const object = v.custom<JsonObject>(isJsonObject)
const queryBody = v.object({ device_keys: v.pipe(object, v.record(v.string(), v.array(v.string()))) })
const devices = v.pipe(object, v.record(v.string(), v.string()))
const claimBody = v.object({ one_time_keys: v.pipe(object, v.record(v.string(), devices)) })

/** @see https://spec.matrix.org/latest/server-server-api/#post_matrixfederationv1userkeysquery */
export function queryKeysEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: '/_matrix/federation/v1/user/keys/query',
    async handle(request) {
      const body = v.safeParse(queryBody, await request.jsonObject())
      if (!body.success) throw new MatrixError(400, 'M_BAD_JSON', '`device_keys` must map user ids to lists of device ids')
      const users = ownUsers(parts, Object.keys(body.output.device_keys))
      const answer = await parts.users.queryKeys(users)
      const deviceKeys: Record<string, Record<string, JsonObject>> = {}
      for (const [userId, devices] of Object.entries(answer.device_keys)) {
        const wanted = body.output.device_keys[userId] ?? []
        // An empty list asks for all devices.
        deviceKeys[userId] = Object.fromEntries(
          Object.entries(devices).filter(([deviceId]) => wanted.length === 0 || wanted.includes(deviceId)),
        )
      }
      return { device_keys: deviceKeys, master_keys: answer.master_keys, self_signing_keys: answer.self_signing_keys }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#post_matrixfederationv1userkeysclaim */
export function claimKeysEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'POST',
    path: '/_matrix/federation/v1/user/keys/claim',
    async handle(request) {
      const body = v.safeParse(claimBody, await request.jsonObject())
      if (!body.success) throw new MatrixError(400, 'M_BAD_JSON', '`one_time_keys` must map user ids to devices to algorithms')
      const users = new Set<string>(ownUsers(parts, Object.keys(body.output.one_time_keys)))
      const claims = Object.fromEntries(Object.entries(body.output.one_time_keys).filter(([userId]) => users.has(userId)))
      return { one_time_keys: await parts.users.claimKeys(claims) }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1userdevicesuserid */
export function userDevicesEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/user/devices/:userId',
    async handle(request) {
      const devices = await parts.users.devicesOf(localUser(parts, request.parameter('userId')))
      if (devices === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
      return { ...devices, devices: devices.devices.map((device) => ({ ...device })) }
    },
  }
}

function ownUsers(parts: ServeParts, names: readonly string[]): UserId[] {
  if (names.length > limits.implementation.usersPerKeyQueryMax) throw new MatrixError(400, 'M_INVALID_PARAM', 'Too many users at once')
  return names.flatMap((name) => {
    const userId = parseUserId(name)
    return userId !== undefined && serverNameOf(userId) === parts.serverName ? [userId] : []
  })
}
