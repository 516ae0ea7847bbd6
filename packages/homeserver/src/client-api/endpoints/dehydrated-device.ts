import { unreachable } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { canonicalObjectSchema, deviceIdSchema, deviceNameSchema } from '../schemas.ts'
import { deviceKeysSchema, namedKeySchema, toKeys } from './keys-upload.ts'

const versions = ['unstable/org.matrix.msc3814.v1'] as const

const uploadSchema = v.looseObject({
  device_id: deviceIdSchema,
  device_data: v.pipe(
    canonicalObjectSchema,
    v.check((data) => JSON.stringify(data).length <= limits.implementation.dehydratedDeviceBytesMax, 'too large'),
  ),
  initial_device_display_name: v.nullish(deviceNameSchema),
  device_keys: deviceKeysSchema,
  one_time_keys: v.optional(namedKeySchema, {}),
  fallback_keys: v.optional(namedKeySchema, {}),
})

/** Dehydrated devices. Unstable: https://github.com/matrix-org/matrix-spec-proposals/pull/3814 */
export const dehydratedDeviceEndpoints = [
  endpoint({
    method: 'PUT',
    path: '/dehydrated_device',
    versions,
    body: uploadSchema,
    async handle(api, { session, body }) {
      await store(api, session, body)
      return { device_id: body.device_id }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/dehydrated_device',
    versions,
    async handle(api, { session }) {
      const device = await api.dehydratedDevices.get(session.userId)
      if (device === undefined) throw noDehydratedDevice()
      return { device_id: device.deviceId, device_data: device.deviceData }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/dehydrated_device',
    versions,
    async handle(api, { session }) {
      const deviceId = await api.dehydratedDevices.remove(session.userId)
      if (deviceId === undefined) throw noDehydratedDevice()
      return { device_id: deviceId }
    },
  }),
  // Clients of the proposal's earlier text end at an empty page, so theirs always names the next one.
  endpoint({
    method: 'POST',
    path: '/dehydrated_device/:deviceId/events',
    versions,
    body: v.looseObject({ next_batch: v.nullish(v.string()) }),
    async handle(api, { session, params, body }) {
      const { events, next } = await readMessages(api, session, params.deviceId, body.next_batch ?? undefined)
      return { events, next_batch: next }
    },
  }),
  // Clients of its later text end where no next page is named.
  endpoint({
    method: 'GET',
    path: '/dehydrated_device/:deviceId/events',
    versions,
    async handle(api, { session, params, query }) {
      const { events, next, more } = await readMessages(api, session, params.deviceId, query.get('from') ?? undefined)
      return more ? { events, next_batch: next } : { events }
    },
  }),
]

async function store(api: Api, session: Session, body: v.InferOutput<typeof uploadSchema>): Promise<void> {
  const { unsigned: _unsigned, ...deviceKeys } = body.device_keys
  if (deviceKeys['user_id'] !== session.userId || deviceKeys['device_id'] !== body.device_id)
    throw new MatrixError(400, 'M_INVALID_PARAM', 'These are the keys of another device')
  const outcome = await api.dehydratedDevices.replace(session.userId, {
    deviceId: body.device_id,
    displayName: body.initial_device_display_name ?? undefined,
    deviceData: body.device_data,
    deviceKeys,
    oneTimeKeys: toKeys(body.one_time_keys),
    fallbackKeys: toKeys(body.fallback_keys),
  })
  switch (outcome.kind) {
    case 'stored':
      return
    case 'device-in-use':
      throw new MatrixError(400, 'M_INVALID_PARAM', 'Somebody is logged in on the device of this id')
    case 'too-many-devices':
      throw new MatrixError(403, 'M_FORBIDDEN', 'This user has too many devices')
    default:
      unreachable(outcome)
  }
}

async function readMessages(api: Api, session: Session, deviceId: string, from: string | undefined) {
  const after = from === undefined ? 0 : positionIn(from)
  const limit = limits.implementation.toDeviceMessagesPerSyncMax
  const page = await api.dehydratedDevices.messages(session.userId, deviceId, after, api.timeline.position, limit)
  if (page === 'not-dehydrated') throw new MatrixError(403, 'M_FORBIDDEN', 'This is not your dehydrated device')
  return { events: page.events, next: `d${page.deliveredUpTo}`, more: page.more }
}

function positionIn(token: string): number {
  if (!/^d\d{1,15}$/.test(token)) throw new MatrixError(400, 'M_INVALID_PARAM', 'This names no page of messages')
  return Number(token.slice(1))
}

function noDehydratedDevice(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'There is no dehydrated device')
}
