import { canonicalJson, type JsonObject, type UserId } from '@kith/matrix-protocol'
import type { Devices } from '../accounts/devices.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import type { Keys } from './keys.ts'
import type { UploadedKeys } from './one-time-keys.ts'
import { removeDevicesInTurn } from './remove-devices.ts'
import { keysTables, type StoredDehydratedDevice } from './tables.ts'
import type { InboxPage, ToDevice } from './to-device.ts'

export interface DehydratedUpload {
  readonly deviceId: string
  readonly displayName: string | undefined
  /** The device itself, encrypted for its owner only. */
  readonly deviceData: JsonObject
  readonly deviceKeys: JsonObject
  readonly oneTimeKeys: UploadedKeys
  readonly fallbackKeys: UploadedKeys
}

export type DehydrateOutcome =
  | { readonly kind: 'stored' }
  /** A device that somebody is logged in on has this id. */
  | { readonly kind: 'device-in-use' }
  | { readonly kind: 'too-many-devices' }

interface DehydratedParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly devices: Devices
  readonly keys: Keys
  readonly toDevice: ToDevice
}

/**
 * Devices that nobody is logged in on: they collect keys of rooms for a user who has no other device, until a new one takes their place.
 * https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 *
 * Invariants:
 * 1. A user has one at most, and it is a device like any other, but without tokens.
 * 2. What was sent to it stays until it is replaced or removed: a client that was interrupted while it read may begin again.
 */
export class DehydratedDevices {
  readonly #parts: DehydratedParts

  constructor(parts: DehydratedParts) {
    this.#parts = parts
  }

  async get(userId: UserId): Promise<StoredDehydratedDevice | undefined> {
    return this.#parts.storage.get(keysTables.dehydratedDevices, [userId])
  }

  /** Puts the device in the place of the earlier one, whose keys and messages go in the same commit. The same device again changes nothing. */
  async replace(userId: UserId, upload: DehydratedUpload): Promise<DehydrateOutcome> {
    const { storage, clock, devices, keys, toDevice } = this.#parts
    const { deviceId, displayName, deviceData, deviceKeys } = upload
    return devices.serially(userId, async () => {
      const earlier = await this.get(userId)
      if (devices.get(userId, deviceId) !== undefined) {
        if (earlier?.deviceId !== deviceId) return { kind: 'device-in-use' }
        const stored = await storage.get(keysTables.deviceKeys, [userId, deviceId])
        if (canonicalJson(earlier.deviceData) === canonicalJson(deviceData) && isSameKeys(stored, deviceKeys)) return { kind: 'stored' }
      }
      const others = devices.of(userId).filter((device) => device.deviceId !== earlier?.deviceId)
      if (others.length >= limits.implementation.devicesPerUserMax) return { kind: 'too-many-devices' }
      const device = { userId, deviceId, createdAt: clock.now(), ...(displayName === undefined ? {} : { displayName }) }
      const batch = new WriteBatch().put(keysTables.dehydratedDevices, [userId], { deviceId, deviceData })
      devices.add(device, batch)
      keys.oneTime.first(userId, deviceId, upload.oneTimeKeys, upload.fallbackKeys, batch)
      const removed = earlier === undefined ? [] : [earlier.deviceId]
      await keys.replaceDevices(userId, removed, { deviceId, displayName, keys: deviceKeys }, (writing) => {
        devices.remove(userId, removed, writing)
        // After what removes: the last write to a key wins.
        return batch
      })
      devices.removed(userId, removed)
      for (const gone of removed) toDevice.deviceRemoved(userId, gone)
      devices.added(device)
      return { kind: 'stored' }
    })
  }

  /** The id of the device that is gone now; undefined where there was none. */
  async remove(userId: UserId): Promise<string | undefined> {
    const { devices } = this.#parts
    return devices.serially(userId, async () => {
      const device = await this.get(userId)
      if (device !== undefined) await removeDevicesInTurn(this.#parts, userId, [device.deviceId])
      return device?.deviceId
    })
  }

  /** What was sent to the device after a position, oldest first, and whether there is more. */
  async messages(
    userId: UserId,
    deviceId: string,
    after: number,
    upTo: number,
    limit: number,
  ): Promise<(InboxPage & { readonly more: boolean }) | 'not-dehydrated'> {
    if ((await this.get(userId))?.deviceId !== deviceId) return 'not-dehydrated'
    const page = await this.#parts.toDevice.page(userId, deviceId, after, upTo, limit)
    return { ...page, more: page.deliveredUpTo < upTo }
  }
}

/** Signatures may have been added to what is stored. */
function isSameKeys(stored: JsonObject | undefined, uploaded: JsonObject): boolean {
  const { signatures: _stored, ...before } = stored ?? {}
  const { signatures: _uploaded, unsigned: _unsigned, ...now } = uploaded
  return stored !== undefined && canonicalJson(before) === canonicalJson(now)
}
