import { encodeBase64Url, sha256, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Storage, StorageFullError, WriteBatch } from '../ports/storage.ts'
import { everyEntry } from '../every-entry.ts'
import type { Accounts, Session } from './accounts.ts'
import { confirmTokens, type DeviceTokens, hashesOf, judgeAccess, refreshTokens, type TokenPair } from './device-tokens.ts'
import { accountsTables, type StoredDevice } from './tables.ts'

export interface IssuedTokens {
  readonly accessToken: string
  /** Present for clients that renew their access tokens. */
  readonly renewal?: { readonly refreshToken: string; readonly expiresInMs: number }
}

export type LogInOutcome =
  | { readonly kind: 'logged-in'; readonly deviceId: string; readonly tokens: IssuedTokens }
  | { readonly kind: 'too-many-devices' }
  | { readonly kind: 'no-account' }
  | { readonly kind: 'credential-changed' }

export type AuthenticateOutcome =
  | { readonly kind: 'session'; readonly session: Session }
  /** The device is still there: the client may renew the token, or log in again, and keep what it has. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown' }

export type RefreshOutcome =
  | { readonly kind: 'refreshed'; readonly tokens: IssuedTokens }
  | { readonly kind: 'locked' }
  | { readonly kind: 'unknown' }

interface DevicesPorts {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
}

interface Device {
  readonly stored: StoredDevice
  readonly tokens: DeviceTokens | undefined
  readonly lastSeen: number | undefined
}

/**
 * The devices of local users, and the tokens that open their sessions. All of them are in memory: a node has few.
 *
 * Invariants:
 * 1. What changes a device or its tokens runs in its user's queue, and is in memory once it is durable.
 * 2. A token that was taken back stays so after a restart; one that a client was given works after it.
 */
export class Devices {
  readonly #ports: DevicesPorts
  readonly #accounts: Accounts
  readonly #devices = new Map<UserId, Map<string, Device>>()
  /** Whose each token is, by its hash. */
  readonly #holders = new Map<string, StoredDevice>()
  readonly #queue = new KeyedQueue<UserId>()

  private constructor(ports: DevicesPorts, accounts: Accounts) {
    this.#ports = ports
    this.#accounts = accounts
  }

  static async open(ports: DevicesPorts, accounts: Accounts): Promise<Devices> {
    const devices = new Devices(ports, accounts)
    for await (const { value } of everyEntry(ports.storage, accountsTables.devices)) devices.#keep(value, undefined)
    for await (const { key, value } of everyEntry(ports.storage, accountsTables.deviceTokens)) {
      const device = devices.get(key[0], key[1])
      if (device !== undefined) devices.#keep(device, value)
    }
    return devices
  }

  of(userId: UserId): StoredDevice[] {
    return [...(this.#devices.get(userId)?.values() ?? [])].map((device) => device.stored)
  }

  get(userId: UserId, deviceId: string): StoredDevice | undefined {
    return this.#devices.get(userId)?.get(deviceId)?.stored
  }

  /** Milliseconds since the epoch; since the process began only. */
  lastSeen(userId: UserId, deviceId: string): number | undefined {
    return this.#devices.get(userId)?.get(deviceId)?.lastSeen
  }

  /** Runs what changes devices of a user after everything else that does. It must not be called from within. */
  async serially<T>(userId: UserId, task: () => Promise<T>): Promise<T> {
    return this.#queue.run(userId, task)
  }

  /** Opens a session on a new device, or on the named one, whose earlier tokens then end. */
  async logIn(
    userId: UserId,
    wanted: {
      readonly deviceId?: string
      readonly displayName?: string
      readonly renewable: boolean
      /** What the user proved to have; when it has changed meanwhile, it proves nothing any more. */
      readonly credential?: object
    },
  ): Promise<LogInOutcome> {
    const { clock, random, storage } = this.#ports
    return this.serially(userId, async () => {
      if (!this.#accounts.exists(userId)) return { kind: 'no-account' }
      const { credential } = wanted
      if (credential !== undefined && credential !== this.#accounts.credential(userId)) return { kind: 'credential-changed' }
      const deviceId = wanted.deviceId ?? encodeBase64Url(random.bytes(8)).replaceAll(/[-_]/g, 'A').toUpperCase()
      const existing = this.get(userId, deviceId)
      if (existing === undefined && this.of(userId).length >= limits.implementation.devicesPerUserMax) return { kind: 'too-many-devices' }
      const displayName = existing?.displayName ?? wanted.displayName
      const stored: StoredDevice = {
        userId,
        deviceId,
        createdAt: existing?.createdAt ?? clock.now(),
        ...(displayName === undefined ? {} : { displayName }),
      }
      const { issued, pair } = this.#makeTokens(wanted.renewable)
      const tokens: DeviceTokens = { current: pair }
      const batch = new WriteBatch().put(accountsTables.devices, [userId, deviceId], stored)
      batch.put(accountsTables.deviceTokens, [userId, deviceId], tokens)
      await storage.commit(batch.writes)
      this.#keep(stored, tokens)
      return { kind: 'logged-in', deviceId, tokens: issued }
    })
  }

  /** Who an access token stands for. The first use of a renewed one ends those before it. */
  async authenticate(accessToken: string): Promise<AuthenticateOutcome> {
    const hash = hashToken(accessToken)
    const judged = this.#judge(hash)
    if (judged.kind !== 'to-confirm') return judged
    const { userId, deviceId } = judged.device.stored
    return this.serially(userId, async () => {
      // Meanwhile it may have been confirmed, or taken back by another renewal.
      const again = this.#judge(hash)
      if (again.kind !== 'to-confirm') return again
      await this.#confirm(again.device)
      return this.#seen({ userId, deviceId })
    })
  }

  /** New tokens for a refresh token, which stays good until one of them is used: the answer may get lost. */
  async refresh(refreshToken: string): Promise<RefreshOutcome> {
    const hash = hashToken(refreshToken)
    const holder = this.#holders.get(hash)
    if (holder === undefined) return { kind: 'unknown' }
    return this.serially(holder.userId, async () => {
      const { userId, deviceId } = holder
      const device = this.#devices.get(userId)?.get(deviceId)
      const { issued, pair } = this.#makeTokens(true)
      const tokens = device?.tokens === undefined ? undefined : refreshTokens(device.tokens, hash, pair)
      if (device === undefined || tokens === undefined || !this.#accounts.exists(userId)) return { kind: 'unknown' }
      if (this.#accounts.restriction(userId) === 'locked') return { kind: 'locked' }
      await this.#commitTokens(device.stored, tokens)
      return { kind: 'refreshed', tokens: issued }
    })
  }

  /** Writes the device's new name. `renamed` must be called as soon as that is committed. */
  rename(device: StoredDevice, displayName: string, batch: WriteBatch): void {
    batch.put(accountsTables.devices, [device.userId, device.deviceId], { ...device, displayName })
  }

  renamed(device: StoredDevice, displayName: string): void {
    this.#keep({ ...device, displayName }, this.#devices.get(device.userId)?.get(device.deviceId)?.tokens)
  }

  /** Writes a device that nobody is logged in on, in the user's queue. `added` must follow the commit. */
  add(device: StoredDevice, batch: WriteBatch): void {
    batch.put(accountsTables.devices, [device.userId, device.deviceId], device)
  }

  added(device: StoredDevice): void {
    this.#keep(device, undefined)
  }

  /** Writes that remove devices and their tokens, in the user's queue. `removed` must follow the commit. */
  remove(userId: UserId, deviceIds: readonly string[], batch: WriteBatch): void {
    for (const deviceId of deviceIds) {
      batch.delete(accountsTables.devices, [userId, deviceId])
      batch.delete(accountsTables.deviceTokens, [userId, deviceId])
    }
  }

  removed(userId: UserId, deviceIds: readonly string[]): void {
    for (const deviceId of deviceIds) {
      this.#forgetTokens(userId, deviceId)
      this.#devices.get(userId)?.delete(deviceId)
    }
  }

  #judge(hash: string): AuthenticateOutcome | { readonly kind: 'to-confirm'; readonly device: Device } {
    const holder = this.#holders.get(hash)
    if (holder === undefined || !this.#accounts.exists(holder.userId)) return { kind: 'unknown' }
    const { userId, deviceId } = holder
    const device = this.#devices.get(userId)?.get(deviceId)
    if (device?.tokens === undefined) return { kind: 'unknown' }
    const standing = judgeAccess(device.tokens, hash, this.#ports.clock.now())
    if (standing === 'to-confirm') return { kind: standing, device }
    return standing === 'valid' ? this.#seen({ userId, deviceId }) : { kind: standing }
  }

  #seen(session: Session): AuthenticateOutcome {
    const devices = this.#devices.get(session.userId)
    const device = devices?.get(session.deviceId)
    if (device !== undefined) devices?.set(session.deviceId, { ...device, lastSeen: this.#ports.clock.now() })
    return { kind: 'session', session }
  }

  async #confirm({ stored, tokens }: Device): Promise<void> {
    if (tokens === undefined) return
    try {
      await this.#commitTokens(stored, confirmTokens(tokens))
    } catch (error) {
      // Who has no room left must still be able to read and to delete; the next use tries again.
      if (!(error instanceof StorageFullError)) throw error
    }
  }

  async #commitTokens(device: StoredDevice, tokens: DeviceTokens): Promise<void> {
    await this.#ports.storage.commit(new WriteBatch().put(accountsTables.deviceTokens, [device.userId, device.deviceId], tokens).writes)
    this.#keep(device, tokens)
  }

  #makeTokens(renewable: boolean): { readonly issued: IssuedTokens; readonly pair: TokenPair } {
    const accessToken = `kith_${encodeBase64Url(this.#ports.random.bytes(32))}`
    const access = hashToken(accessToken)
    if (!renewable) return { issued: { accessToken }, pair: { access } }
    const refreshToken = `kithr_${encodeBase64Url(this.#ports.random.bytes(32))}`
    const expiresInMs = limits.implementation.accessTokenLifetimeMs
    return {
      issued: { accessToken, renewal: { refreshToken, expiresInMs } },
      pair: { access, refresh: hashToken(refreshToken), expiresAt: this.#ports.clock.now() + expiresInMs },
    }
  }

  #keep(stored: StoredDevice, tokens: DeviceTokens | undefined): void {
    const { userId, deviceId } = stored
    const devices = this.#devices.get(userId) ?? new Map<string, Device>()
    this.#devices.set(userId, devices)
    this.#forgetTokens(userId, deviceId)
    devices.set(deviceId, { stored, tokens, lastSeen: devices.get(deviceId)?.lastSeen })
    for (const hash of tokens === undefined ? [] : hashesOf(tokens)) this.#holders.set(hash, stored)
  }

  #forgetTokens(userId: UserId, deviceId: string): void {
    const tokens = this.#devices.get(userId)?.get(deviceId)?.tokens
    for (const hash of tokens === undefined ? [] : hashesOf(tokens)) this.#holders.delete(hash)
  }
}

/** Tokens are kept by their hashes only, so that a stolen database opens no session. */
export function hashToken(token: string): string {
  return encodeBase64Url(sha256(new TextEncoder().encode(token)))
}
