import { canonicalJson, type JsonObject, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { keysTables, type StoredFallbackKey } from './tables.ts'

export type UploadOutcome =
  | { readonly kind: 'stored' }
  /** A different key is stored under this id. */
  | { readonly kind: 'conflict'; readonly keyId: string }
  | { readonly kind: 'too-many' }

export interface KeyCounts {
  /** By algorithm. */
  readonly oneTime: Readonly<Record<string, number>>
  readonly unusedFallback: readonly string[]
}

export interface ClaimedKey {
  readonly keyId: string
  readonly key: JsonObject
}

/** The key object as clients and servers exchange it: `algorithm:id` → key. */
export type UploadedKeys = ReadonlyMap<string, JsonObject>

/** One-time and fallback keys of local devices. A one-time key is handed out once; its removal is durable before it is told. */
export class OneTimeKeys {
  readonly #storage: Storage
  readonly #queue = new KeyedQueue<string>()
  /** By device, since they were read last: each sync tells them. What changes a device's keys forgets them, in the device's queue. */
  readonly #counts = new Map<string, KeyCounts>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async upload(userId: UserId, deviceId: string, oneTimeKeys: UploadedKeys, fallbackKeys: UploadedKeys): Promise<UploadOutcome> {
    return this.#queue.run(`${userId} ${deviceId}`, async () => {
      const stored = await this.#storage.range(keysTables.oneTimeKeys, {
        prefix: [userId, deviceId],
        limit: 2 * limits.implementation.oneTimeKeysPerDeviceMax,
      })
      const existing = new Map(stored.map((entry) => [`${entry.key[2]}:${entry.value.keyId}`, entry.value.key]))
      let sequence = Math.max(0, ...stored.map((entry) => entry.key[3]))
      const batch = new WriteBatch()
      let added = 0
      for (const [name, key] of oneTimeKeys) {
        const same = existing.get(name)
        if (same !== undefined) {
          if (canonicalJson(same) !== canonicalJson(key)) return { kind: 'conflict', keyId: name }
          continue
        }
        const { algorithm, keyId } = splitKeyName(name)
        batch.put(keysTables.oneTimeKeys, [userId, deviceId, algorithm, ++sequence], { keyId, key })
        added++
      }
      if (stored.length + added > limits.implementation.oneTimeKeysPerDeviceMax) return { kind: 'too-many' }
      for (const [name, key] of fallbackKeys) {
        const { algorithm, keyId } = splitKeyName(name)
        const old = await this.#storage.get(keysTables.fallbackKeys, [userId, deviceId, algorithm])
        const used = old !== undefined && old.keyId === keyId && canonicalJson(old.key) === canonicalJson(key) && old.used
        batch.put(keysTables.fallbackKeys, [userId, deviceId, algorithm], { keyId, key, used })
      }
      if (batch.writes.length > 0) await this.#commit(userId, deviceId, batch)
      return { kind: 'stored' }
    })
  }

  /** The keys of a device that had none. */
  first(userId: UserId, deviceId: string, oneTimeKeys: UploadedKeys, fallbackKeys: UploadedKeys, batch: WriteBatch): void {
    let sequence = 0
    for (const [name, key] of oneTimeKeys) {
      const { algorithm, keyId } = splitKeyName(name)
      batch.put(keysTables.oneTimeKeys, [userId, deviceId, algorithm, ++sequence], { keyId, key })
    }
    for (const [name, key] of fallbackKeys) {
      const { algorithm, keyId } = splitKeyName(name)
      batch.put(keysTables.fallbackKeys, [userId, deviceId, algorithm], { keyId, key, used: false })
    }
  }

  /** Undefined when the device has neither a one-time nor a fallback key of the algorithm. */
  async claim(userId: UserId, deviceId: string, algorithm: string): Promise<ClaimedKey | undefined> {
    return this.#queue.run(`${userId} ${deviceId}`, async () => {
      const [oldest] = await this.#storage.range(keysTables.oneTimeKeys, { prefix: [userId, deviceId, algorithm], limit: 1 })
      if (oldest !== undefined) {
        await this.#commit(userId, deviceId, new WriteBatch().delete(keysTables.oneTimeKeys, oldest.key))
        return oldest.value
      }
      const fallback = await this.#storage.get(keysTables.fallbackKeys, [userId, deviceId, algorithm])
      if (fallback === undefined) return undefined
      if (!fallback.used) {
        const used: StoredFallbackKey = { ...fallback, used: true }
        await this.#commit(userId, deviceId, new WriteBatch().put(keysTables.fallbackKeys, [userId, deviceId, algorithm], used))
      }
      return { keyId: fallback.keyId, key: { ...fallback.key, fallback: true } }
    })
  }

  /** How many one-time keys of each algorithm are left, and of which algorithms the fallback key is unused. */
  async counts(userId: UserId, deviceId: string): Promise<KeyCounts> {
    const device = `${userId} ${deviceId}`
    return (
      this.#counts.get(device) ??
      this.#queue.run(device, async () => {
        const counts = this.#counts.get(device) ?? (await this.#count(userId, deviceId))
        this.#counts.set(device, counts)
        return counts
      })
    )
  }

  async #count(userId: UserId, deviceId: string): Promise<KeyCounts> {
    const stored = await this.#storage.range(keysTables.oneTimeKeys, {
      prefix: [userId, deviceId],
      limit: 2 * limits.implementation.oneTimeKeysPerDeviceMax,
    })
    // Clients take an absent algorithm for unknown, not for none left.
    const counts = new Map<string, number>([['signed_curve25519', 0]])
    for (const { key } of stored) counts.set(key[2], (counts.get(key[2]) ?? 0) + 1)
    const fallbacks = await this.#storage.range(keysTables.fallbackKeys, { prefix: [userId, deviceId], limit: 100 })
    return {
      oneTime: Object.fromEntries(counts),
      unusedFallback: fallbacks.filter(({ value }) => !value.used).map(({ key }) => key[2]),
    }
  }

  async #commit(userId: UserId, deviceId: string, batch: WriteBatch): Promise<void> {
    try {
      await this.#storage.commit(batch.writes)
    } finally {
      this.#counts.delete(`${userId} ${deviceId}`)
    }
  }

  /** Once that is committed, `deviceRemoved` has to be called. */
  async removeDevice(userId: UserId, deviceId: string, batch: WriteBatch): Promise<void> {
    const limit = 2 * limits.implementation.oneTimeKeysPerDeviceMax
    for (const { key } of await this.#storage.range(keysTables.oneTimeKeys, { prefix: [userId, deviceId], limit })) {
      batch.delete(keysTables.oneTimeKeys, key)
    }
    for (const { key } of await this.#storage.range(keysTables.fallbackKeys, { prefix: [userId, deviceId], limit })) {
      batch.delete(keysTables.fallbackKeys, key)
    }
  }

  /** In the device's queue, behind whoever counts the keys as they were. */
  async deviceRemoved(userId: UserId, deviceId: string): Promise<void> {
    const device = `${userId} ${deviceId}`
    await this.#queue.run(device, async () => this.#counts.delete(device))
  }
}

function splitKeyName(name: string): { algorithm: string; keyId: string } {
  const colon = name.indexOf(':')
  return { algorithm: name.slice(0, colon), keyId: name.slice(colon + 1) }
}
