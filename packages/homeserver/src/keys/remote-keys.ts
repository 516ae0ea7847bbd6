import { type JsonObject, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Storage } from '../ports/storage.ts'
import type { DeviceListChanges } from './device-list-changes.ts'
import type { KeyQueryAnswer } from './key-types.ts'
import { keysTables, type StoredRemoteKeys } from './tables.ts'

export interface DeviceUpdate {
  readonly deviceId: string
  readonly streamId: number
  readonly previousIds: readonly number[]
  readonly deleted: boolean
  readonly keys?: JsonObject
}

/**
 * The keys of other servers' users, as last told. They stay usable while their server is away; after a missed update they are stale
 * and asked for again at the next chance.
 */
export class RemoteKeys {
  readonly #storage: Storage
  readonly #changes: DeviceListChanges
  readonly #queue = new KeyedQueue<UserId>()

  constructor(storage: Storage, changes: DeviceListChanges) {
    this.#storage = storage
    this.#changes = changes
  }

  async get(userId: UserId): Promise<StoredRemoteKeys | undefined> {
    return this.#storage.get(keysTables.remoteKeys, [userId])
  }

  /** The stream position now. */
  get position(): number {
    return this.#changes.position
  }

  /**
   * Takes in the answer of a server to a query for its users. Clients hear of it only where it changed something.
   * @param askedAt the stream position when the query began.
   */
  async store(server: ServerName, userIds: readonly UserId[], answer: KeyQueryAnswer, askedAt: number): Promise<void> {
    for (const userId of userIds) {
      if (serverNameOf(userId) !== server) continue
      await this.#queue.run(userId, async () => {
        const old = await this.get(userId)
        const devices = ownDevices(userId, answer.device_keys)
        const master = ownKey(userId, answer.master_keys)
        const selfSigning = ownKey(userId, answer.self_signing_keys)
        const changed: StoredRemoteKeys = {
          devices,
          ...(master === undefined ? {} : { master }),
          ...(selfSigning === undefined ? {} : { selfSigning }),
          ...(old?.streamId === undefined ? {} : { streamId: old.streamId }),
          stale: false,
          askedAt,
        }
        await this.#write(userId, changed, old !== undefined && !isSame(old, changed))
      })
    }
  }

  async applyDeviceUpdate(userId: UserId, update: DeviceUpdate): Promise<void> {
    await this.#queue.run(userId, async () => {
      const old = await this.get(userId)
      if (old === undefined) return this.#tellOfUnknown(userId)
      if (old.streamId !== undefined && update.streamId <= old.streamId) return
      const { streamId } = old
      const follows = streamId === undefined || update.previousIds.every((id) => id <= streamId)
      const devices = new Map(Object.entries(old.devices))
      if (update.deleted) devices.delete(update.deviceId)
      else if (update.keys !== undefined && belongsTo(userId, update.deviceId, update.keys)) devices.set(update.deviceId, update.keys)
      const incomplete = !update.deleted && update.keys === undefined && !devices.has(update.deviceId)
      await this.#write(
        userId,
        { ...old, devices: Object.fromEntries(devices), streamId: update.streamId, stale: old.stale || !follows || incomplete },
        true,
      )
    })
  }

  async applySigningKeys(userId: UserId, master: JsonObject | undefined, selfSigning: JsonObject | undefined): Promise<void> {
    await this.#queue.run(userId, async () => {
      const old = await this.get(userId)
      if (old === undefined) return this.#tellOfUnknown(userId)
      const changed: StoredRemoteKeys = {
        ...old,
        ...(master !== undefined && master['user_id'] === userId ? { master } : {}),
        ...(selfSigning !== undefined && selfSigning['user_id'] === userId ? { selfSigning } : {}),
      }
      await this.#write(userId, changed, !isSame(old, changed))
    })
  }

  /** Of a user that nobody asked about only the fact is told, and only to those who share a room: their clients may ask. */
  async #tellOfUnknown(userId: UserId): Promise<void> {
    if (this.#changes.isInRooms(userId)) await this.#changes.commit([userId], () => undefined)
  }

  async #write(userId: UserId, keys: StoredRemoteKeys, tell: boolean): Promise<void> {
    await this.#changes.commit(tell ? [userId] : [], (transaction) => transaction.batch.put(keysTables.remoteKeys, [userId], keys))
  }
}

function ownDevices(userId: UserId, answered: KeyQueryAnswer['device_keys']): Record<string, JsonObject> {
  const devices = Object.hasOwn(answered, userId) ? (answered[userId] ?? {}) : {}
  const own = Object.entries(devices).filter(([deviceId, keys]) => belongsTo(userId, deviceId, keys))
  return Object.fromEntries(own.slice(0, limits.implementation.devicesPerUserMax))
}

function ownKey(userId: UserId, answered: Record<string, JsonObject>): JsonObject | undefined {
  const key = Object.hasOwn(answered, userId) ? answered[userId] : undefined
  return key !== undefined && key['user_id'] === userId ? key : undefined
}

function belongsTo(userId: UserId, deviceId: string, keys: JsonObject): boolean {
  return keys['user_id'] === userId && keys['device_id'] === deviceId
}

function isSame(left: StoredRemoteKeys, right: StoredRemoteKeys): boolean {
  const shown = (keys: StoredRemoteKeys): string => JSON.stringify([keys.devices, keys.master, keys.selfSigning])
  return shown(left) === shown(right)
}
