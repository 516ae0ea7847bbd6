import type { UserId } from '@kith/matrix-protocol'
import type { Api } from './endpoint.ts'

/** Ends the sessions of devices and forgets their keys and what waits for them, in one commit. */
export async function removeDevices(api: Api, userId: UserId, deviceIds: readonly string[]): Promise<void> {
  const known = deviceIds.filter((deviceId) => api.accounts.device(userId, deviceId) !== undefined)
  if (known.length === 0) return
  await api.keys.removeDevices(userId, known, (batch) => api.accounts.removeDevices(userId, known, batch))
  api.accounts.devicesRemoved(userId, known)
  for (const deviceId of known) api.toDevice.deviceRemoved(userId, deviceId)
}
