import type { UserId } from '@kith/matrix-protocol'
import type { Devices } from '../accounts/devices.ts'
import { WriteBatch } from '../ports/storage.ts'
import type { Keys } from './keys.ts'
import type { ToDevice } from './to-device.ts'

interface DeviceParts {
  readonly devices: Devices
  readonly keys: Keys
  readonly toDevice: ToDevice
}

/** Ends the sessions of devices and forgets their keys and what waits for them, in one commit. Those that are gone already do not matter. */
export async function removeDevices(parts: DeviceParts, userId: UserId, deviceIds: readonly string[]): Promise<void> {
  await parts.devices.serially(userId, async () => removeDevicesInTurn(parts, userId, deviceIds))
}

/**
 * The same for who is in the queue of the user's devices already.
 * @param further joins the commit.
 */
export async function removeDevicesInTurn(
  { devices, keys, toDevice }: DeviceParts,
  userId: UserId,
  deviceIds: readonly string[],
  further = new WriteBatch(),
): Promise<void> {
  const known = [...new Set(deviceIds)].filter((deviceId) => devices.get(userId, deviceId) !== undefined)
  if (known.length === 0 && further.writes.length === 0) return
  await keys.removeDevices(userId, known, (batch) => {
    devices.remove(userId, known, batch)
    batch.writes.push(...further.writes)
  })
  devices.removed(userId, known)
  for (const deviceId of known) toDevice.deviceRemoved(userId, deviceId)
}

export async function removeAllDevices(parts: DeviceParts, userId: UserId): Promise<void> {
  await removeDevices(
    parts,
    userId,
    parts.devices.of(userId).map((device) => device.deviceId),
  )
}
