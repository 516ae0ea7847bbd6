import {
  canonicalJson,
  isJsonObject,
  type JsonObject,
  ownInteger,
  ownMember,
  ownObject,
  ownString,
  parseUserId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { Devices } from '../accounts/devices.ts'
import type { StoredDevice } from '../accounts/tables.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import type { TimelineTransaction } from '../timeline/index.ts'
import type { DeviceListChanges, DeviceListEdu } from './device-list-changes.ts'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer, UserDevices } from './key-types.ts'
import { OneTimeKeys } from './one-time-keys.ts'
import { RemoteKeys } from './remote-keys.ts'
import { type CrossSigningUsage, keysTables } from './tables.ts'

export type CrossSigningUpload = Partial<Readonly<Record<CrossSigningUsage, JsonObject>>>

/** Identity keys: device keys and cross-signing keys of local users, and what is cached of those of others. */
export class Keys {
  readonly oneTime: OneTimeKeys
  readonly remote: RemoteKeys
  readonly #storage: Storage
  readonly #changes: DeviceListChanges
  readonly #accounts: Accounts
  readonly #devices: Devices

  constructor(parts: {
    readonly storage: Storage
    readonly changes: DeviceListChanges
    readonly accounts: Accounts
    readonly devices: Devices
  }) {
    this.#storage = parts.storage
    this.#changes = parts.changes
    this.#accounts = parts.accounts
    this.#devices = parts.devices
    this.oneTime = new OneTimeKeys(parts.storage)
    this.remote = new RemoteKeys(parts.storage, parts.changes)
  }

  changedBetween(after: number, upTo: number): UserId[] {
    return this.#changes.changedBetween(after, upTo)
  }

  /** Stores the signed keys of a device. The same keys again change nothing. */
  async uploadDeviceKeys(userId: UserId, deviceId: string, keys: JsonObject): Promise<void> {
    const { unsigned: _unsigned, ...signed } = keys
    const stored = await this.#storage.get(keysTables.deviceKeys, [userId, deviceId])
    if (stored !== undefined && canonicalJson(stored) === canonicalJson(signed)) return
    await this.#commitDevice(userId, deviceId, signed, (transaction) =>
      transaction.batch.put(keysTables.deviceKeys, [userId, deviceId], signed),
    )
  }

  /** Renames a device and tells others. */
  async deviceRenamed(device: StoredDevice, displayName: string): Promise<void> {
    const { userId, deviceId } = device
    const keys = await this.#storage.get(keysTables.deviceKeys, [userId, deviceId])
    const edu = deviceListUpdate(userId, deviceId, displayName, keys)
    await this.#changes.commit(
      [userId],
      (transaction) => this.#devices.rename(device, displayName, transaction.batch),
      () => [edu],
    )
    this.#devices.renamed(device, displayName)
  }

  async removeDevices(userId: UserId, deviceIds: readonly string[], write: (batch: WriteBatch) => void): Promise<void> {
    await this.replaceDevices(userId, deviceIds, undefined, (batch) => {
      write(batch)
      return new WriteBatch()
    })
  }

  /**
   * Removes the keys of devices and what waits for them, and puts those of another device in their place, in one commit.
   * @param write Joins the commit; what it returns is written last.
   */
  async replaceDevices(
    userId: UserId,
    deviceIds: readonly string[],
    added: { readonly deviceId: string; readonly displayName: string | undefined; readonly keys: JsonObject } | undefined,
    write: (batch: WriteBatch) => WriteBatch,
  ): Promise<void> {
    const extra = new WriteBatch()
    const dehydrated = await this.#storage.get(keysTables.dehydratedDevices, [userId])
    if (dehydrated !== undefined && deviceIds.includes(dehydrated.deviceId)) extra.delete(keysTables.dehydratedDevices, [userId])
    for (const deviceId of deviceIds) {
      extra.delete(keysTables.deviceKeys, [userId, deviceId])
      await this.oneTime.removeDevice(userId, deviceId, extra)
      await this.#removeInbox(userId, deviceId, extra)
    }
    const gone = deviceIds.filter((deviceId) => deviceId !== added?.deviceId)
    await this.#changes.commit(
      [userId],
      ({ batch }) => {
        const last = write(batch)
        batch.writes.push(...extra.writes, ...last.writes)
        if (added !== undefined) batch.put(keysTables.deviceKeys, [userId, added.deviceId], added.keys)
      },
      () => [
        ...gone.map((deviceId): DeviceListEdu => {
          return { type: 'm.device_list_update', content: { user_id: userId, device_id: deviceId, deleted: true } }
        }),
        ...(added === undefined ? [] : [deviceListUpdate(userId, added.deviceId, added.displayName, added.keys)]),
      ],
    )
    await Promise.all(deviceIds.map(async (deviceId) => this.oneTime.deviceRemoved(userId, deviceId)))
  }

  async crossSigningKey(userId: UserId, usage: CrossSigningUsage): Promise<JsonObject | undefined> {
    return this.#storage.get(keysTables.crossSigning, [userId, usage])
  }

  async uploadCrossSigning(userId: UserId, keys: CrossSigningUpload): Promise<void> {
    const uploaded = Object.entries(keys) as [CrossSigningUsage, JsonObject][]
    const master = keys.master ?? (await this.crossSigningKey(userId, 'master'))
    const selfSigning = keys.self_signing ?? (await this.crossSigningKey(userId, 'self_signing'))
    await this.#changes.commit(
      [userId],
      (transaction) => {
        for (const [usage, key] of uploaded) transaction.batch.put(keysTables.crossSigning, [userId, usage], key)
      },
      () => [signingKeyUpdate(userId, master, selfSigning)],
    )
  }

  /** Adds signatures to the keys of a local user's own devices and own cross-signing keys, or a user's signature on another's master key. */
  async addSignatures(signer: UserId, target: UserId, keyName: string, object: JsonObject): Promise<'added' | 'unknown-key' | 'mismatch'> {
    const added = ownObject(ownObject(object, 'signatures'), signer)
    if (added === undefined) return 'mismatch'
    if (target !== signer) return this.#signOther(signer, target, keyName, object, added)
    const device = await this.#storage.get(keysTables.deviceKeys, [signer, keyName])
    if (device !== undefined) {
      if (!isSameKey(device, object)) return 'mismatch'
      const signed = mergeSignatures(device, signer, added)
      await this.#commitDevice(signer, keyName, signed, (transaction) =>
        transaction.batch.put(keysTables.deviceKeys, [signer, keyName], signed),
      )
      return 'added'
    }
    const master = await this.crossSigningKey(signer, 'master')
    if (master === undefined || !hasPublicKey(master, keyName)) return 'unknown-key'
    if (!isSameKey(master, object)) return 'mismatch'
    await this.uploadCrossSigning(signer, { master: mergeSignatures(master, signer, added) })
    return 'added'
  }

  /** The keys of local users; `asker` sees user-signing keys and signatures that are only for that user. */
  async queryLocal(userIds: readonly UserId[], asker?: UserId): Promise<KeyQueryAnswer> {
    const answer = emptyKeyAnswer()
    for (const userId of userIds) {
      if (!this.#accounts.exists(userId)) continue
      answer.device_keys[userId] = await this.#deviceKeysOf(userId)
      const master = await this.crossSigningKey(userId, 'master')
      if (master !== undefined)
        answer.master_keys[userId] = asker === undefined ? master : await this.withUserSignatures(asker, userId, master)
      const selfSigning = await this.crossSigningKey(userId, 'self_signing')
      if (selfSigning !== undefined) answer.self_signing_keys[userId] = selfSigning
      const userSigning = asker === userId ? await this.crossSigningKey(userId, 'user_signing') : undefined
      if (userSigning !== undefined) answer.user_signing_keys[userId] = userSigning
    }
    return answer
  }

  /** A master key with the signature that the asker made on it, if any. */
  async withUserSignatures(asker: UserId, target: UserId, master: JsonObject): Promise<JsonObject> {
    for (const keyId of Object.keys(ownObject(master, 'keys') ?? {})) {
      const signatures = await this.#storage.get(keysTables.userSignatures, [asker, target, keyId.slice(keyId.indexOf(':') + 1)])
      if (signatures !== undefined) return mergeSignatures(master, asker, signatures)
    }
    return master
  }

  async claimLocal(claims: KeyClaims): Promise<ClaimedKeys> {
    const claimed = new Map<string, Record<string, JsonObject>>()
    for (const [name, devices] of Object.entries(claims)) {
      const userId = parseUserId(name)
      if (userId === undefined || !this.#accounts.exists(userId)) continue
      const keys = new Map<string, JsonObject>()
      for (const [deviceId, algorithm] of Object.entries(devices)) {
        const key = await this.oneTime.claim(userId, deviceId, algorithm)
        if (key !== undefined) keys.set(deviceId, { [`${algorithm}:${key.keyId}`]: key.key })
      }
      if (keys.size > 0) claimed.set(userId, Object.fromEntries(keys) as Record<string, JsonObject>)
    }
    return Object.fromEntries(claimed)
  }

  /** For `GET /_matrix/federation/v1/user/devices/{userId}`. */
  async localUserDevices(userId: UserId): Promise<UserDevices | undefined> {
    if (!this.#accounts.exists(userId)) return undefined
    const master = await this.crossSigningKey(userId, 'master')
    const selfSigning = await this.crossSigningKey(userId, 'self_signing')
    const keys = await this.#storage.range(keysTables.deviceKeys, { prefix: [userId], limit: 1000 })
    return {
      user_id: userId,
      stream_id: this.#changes.positionOf(userId),
      devices: keys.map(({ key, value }) => {
        const displayName = this.#devices.get(userId, key[1])?.displayName
        return { device_id: key[1], keys: value, ...(displayName === undefined ? {} : { device_display_name: displayName }) }
      }),
      ...(master === undefined ? {} : { master_key: master }),
      ...(selfSigning === undefined ? {} : { self_signing_key: selfSigning }),
    }
  }

  /** `m.device_list_update` of another server. Malformed content and users not of `origin` are ignored. */
  async receiveDeviceListUpdate(origin: ServerName, content: JsonObject): Promise<void> {
    const userId = parseUserId(ownMember(content, 'user_id'))
    const deviceId = ownString(content, 'device_id')
    const streamId = ownInteger(content, 'stream_id')
    if (userId === undefined || serverNameOf(userId) !== origin || deviceId === undefined || streamId === undefined) return
    const previous = ownMember(content, 'prev_id')
    const keys = ownObject(content, 'keys')
    const displayName = ownString(content, 'device_display_name')
    await this.remote.applyDeviceUpdate(userId, {
      deviceId,
      streamId,
      previousIds: Array.isArray(previous) ? previous.filter((id) => typeof id === 'number') : [],
      deleted: ownMember(content, 'deleted') === true,
      ...(keys === undefined
        ? {}
        : { keys: displayName === undefined ? keys : { ...keys, unsigned: { device_display_name: displayName } } }),
    })
  }

  /** `m.signing_key_update` of another server. */
  async receiveSigningKeyUpdate(origin: ServerName, content: JsonObject): Promise<void> {
    const userId = parseUserId(ownMember(content, 'user_id'))
    if (userId === undefined || serverNameOf(userId) !== origin) return
    await this.remote.applySigningKeys(userId, ownObject(content, 'master_key'), ownObject(content, 'self_signing_key'))
  }

  async #signOther(
    signer: UserId,
    target: UserId,
    keyName: string,
    object: JsonObject,
    added: JsonObject,
  ): Promise<'added' | 'unknown-key' | 'mismatch'> {
    const master = this.#accounts.exists(target) ? await this.crossSigningKey(target, 'master') : (await this.remote.get(target))?.master
    if (master === undefined || !hasPublicKey(master, keyName)) return 'unknown-key'
    if (!isSameKey(master, object)) return 'mismatch'
    await this.#changes.commit([target], (transaction) =>
      transaction.batch.put(keysTables.userSignatures, [signer, target, keyName], added),
    )
    return 'added'
  }

  async #deviceKeysOf(userId: UserId): Promise<Record<string, JsonObject>> {
    const stored = await this.#storage.range(keysTables.deviceKeys, { prefix: [userId], limit: 1000 })
    return Object.fromEntries(
      stored.map(({ key, value }) => {
        const displayName = this.#devices.get(userId, key[1])?.displayName
        return [key[1], displayName === undefined ? value : { ...value, unsigned: { device_display_name: displayName } }]
      }),
    )
  }

  async #commitDevice(
    userId: UserId,
    deviceId: string,
    keys: JsonObject,
    write: (transaction: TimelineTransaction) => void,
  ): Promise<void> {
    const edu = deviceListUpdate(userId, deviceId, this.#devices.get(userId, deviceId)?.displayName, keys)
    await this.#changes.commit([userId], write, () => [edu])
  }

  async #removeInbox(userId: UserId, deviceId: string, batch: WriteBatch): Promise<void> {
    const waiting = await this.#storage.range(keysTables.toDeviceInbox, { prefix: [userId, deviceId], limit: 100_000 })
    for (const { key } of waiting) batch.delete(keysTables.toDeviceInbox, key)
  }
}

function emptyKeyAnswer(): KeyQueryAnswer {
  return { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} }
}

function deviceListUpdate(userId: UserId, deviceId: string, displayName: string | undefined, keys: JsonObject | undefined): DeviceListEdu {
  const content = {
    user_id: userId,
    device_id: deviceId,
    ...(displayName === undefined ? {} : { device_display_name: displayName }),
    ...(keys === undefined ? {} : { keys }),
  }
  return { type: 'm.device_list_update', content }
}

function signingKeyUpdate(userId: UserId, master: JsonObject | undefined, selfSigning: JsonObject | undefined): DeviceListEdu {
  const content = {
    user_id: userId,
    ...(master === undefined ? {} : { master_key: master }),
    ...(selfSigning === undefined ? {} : { self_signing_key: selfSigning }),
  }
  return { type: 'm.signing_key_update', content }
}

/** Adds one user's signatures (key id → signature) to a signed object. */
function mergeSignatures(object: JsonObject, signer: UserId, added: JsonObject): JsonObject {
  const signatures = ownObject(object, 'signatures') ?? {}
  return { ...object, signatures: { ...signatures, [signer]: { ...ownObject(signatures, signer), ...added } } }
}

function isSameKey(stored: JsonObject, uploaded: JsonObject): boolean {
  return canonicalJson(withoutSignatures(stored)) === canonicalJson(withoutSignatures(uploaded))
}

function withoutSignatures(object: JsonObject): JsonObject {
  const { signatures: _signatures, unsigned: _unsigned, ...rest } = object
  return rest
}

function hasPublicKey(key: JsonObject, publicKey: string): boolean {
  const keys = ownMember(key, 'keys')
  return isJsonObject(keys) && Object.values(keys).includes(publicKey)
}
