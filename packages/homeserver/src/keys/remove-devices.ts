import type { UserId } from '@kith/matrix-protocol'
import type { Devices } from '../accounts/devices.ts'
import type { Keys } from './keys.ts'
import type { ToDevice } from './to-device.ts'

interface DeviceParts {
  readonly devices: Devices
  readonly keys: Keys
  readonly toDevice: ToDevice
}

/** Ends the sessions of devices and forgets their keys and what waits for them, in one commit. Those that are gone already do not matter. */
export async function removeDevices(parts: DeviceParts, userId: UserId, deviceIds: readonly string[]): Promise<void> {
  const { devices, keys, toDevice } = parts
  await devices.serially(userId, async () => {
    const known = [...new Set(deviceIds)].filter((deviceId) => devices.get(userId, deviceId) !== undefined)
    if (known.length === 0) return
    await keys.removeDevices(userId, known, (batch) => devices.remove(userId, known, batch))
    devices.removed(userId, known)
    for (const deviceId of known) toDevice.deviceRemoved(userId, deviceId)
  })
}

/** All devices of a user, or all but one. */
export async function removeAllDevices(parts: DeviceParts, userId: UserId, except?: string): Promise<void> {
  const deviceIds = parts.devices.of(userId).map((device) => device.deviceId)
  await removeDevices(
    parts,
    userId,
    deviceIds.filter((deviceId) => deviceId !== except),
  )
}
