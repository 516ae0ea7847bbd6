import { unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { IssuedTokens } from '../accounts/devices.ts'
import type { CrossSigningUsage } from '../keys/tables.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'
import { userLocked } from './restrictions.ts'
import { deviceIdSchema, deviceNameSchema } from './schemas.ts'

/** What registration and login say of the device that is to have the session. */
export const newSessionEntries = {
  device_id: v.optional(deviceIdSchema),
  initial_device_display_name: v.optional(deviceNameSchema),
  refresh_token: v.optional(v.boolean(), false),
}

interface NewSession {
  readonly device_id?: string | undefined
  readonly initial_device_display_name?: string | undefined
  readonly refresh_token: boolean
}

const crossSigningUsages: readonly CrossSigningUsage[] = ['master', 'self_signing', 'user_signing']

/** A new session, as registration and login answer it. @throws MatrixError M_USER_LOCKED, M_FORBIDDEN */
export async function openSession(api: Api, userId: UserId, wanted: NewSession): Promise<object> {
  if (api.accounts.isRestricted(userId, 'locked')) throw userLocked()
  const { device_id: deviceId, initial_device_display_name: displayName } = wanted
  const credential = api.accounts.credential(userId)
  if (deviceId !== undefined) await refuseTakenDeviceId(api, userId, deviceId)
  const outcome = await api.devices.logIn(userId, {
    renewable: wanted.refresh_token,
    ...(credential === undefined ? {} : { credential }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(displayName === undefined ? {} : { displayName }),
  })
  switch (outcome.kind) {
    case 'logged-in':
      return { user_id: userId, home_server: api.serverName, device_id: outcome.deviceId, ...describeTokens(outcome.tokens) }
    case 'too-many-devices':
      throw new MatrixError(403, 'M_FORBIDDEN', 'This user has too many devices')
    case 'credential-changed':
      throw new MatrixError(403, 'M_FORBIDDEN', 'The password has changed meanwhile')
    case 'no-account':
      throw new MatrixError(403, 'M_FORBIDDEN', 'This account has ended')
    default:
      return unreachable(outcome)
  }
}

export function describeTokens({ accessToken, renewal }: IssuedTokens): object {
  const renewing = renewal === undefined ? {} : { refresh_token: renewal.refreshToken, expires_in_ms: renewal.expiresInMs }
  return { access_token: accessToken, ...renewing }
}

/** Signatures name devices and cross-signing keys alike, so none may pass for the other. On a dehydrated device nobody logs in. */
async function refuseTakenDeviceId(api: Api, userId: UserId, deviceId: string): Promise<void> {
  if ((await api.dehydratedDevices.get(userId))?.deviceId === deviceId)
    throw new MatrixError(403, 'M_FORBIDDEN', 'This device id is the id of a dehydrated device')
  for (const usage of crossSigningUsages) {
    const key = await api.keys.crossSigningKey(userId, usage)
    if (Object.values(key?.['keys'] ?? {}).includes(deviceId))
      throw new MatrixError(403, 'M_FORBIDDEN', 'This device id is the id of a cross-signing key')
  }
}
