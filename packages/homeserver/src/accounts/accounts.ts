import {
  encodeBase64Url,
  type JsonObject,
  localpartOf,
  makeUserId,
  parseUserId,
  type ServerName,
  serverNameOf,
  sha256,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Key, type Storage, type StoredValue, type Table, WriteBatch } from '../ports/storage.ts'
import { hashPassword, type PasswordHash, verifyPassword } from './password-hash.ts'
import { accountsTables, type StoredAccount, type StoredDevice } from './tables.ts'

/** Who makes a request, proven by an access token. */
export interface Session {
  readonly userId: UserId
  readonly deviceId: string
  readonly tokenHash: string
}

export type RegisterOutcome =
  | { readonly kind: 'registered'; readonly userId: UserId }
  | { readonly kind: 'closed' }
  | { readonly kind: 'in-use' }
  | { readonly kind: 'invalid-name' }

export interface AccountsPorts {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
}

export interface AccountsConfig {
  readonly serverName: ServerName
  /** Whether anybody may register after the owner. */
  readonly openRegistration: boolean
  /** log2 of scrypt's N. */
  readonly passwordCostLog2: number
}

const localpartPattern = /^[a-z0-9._=/+-]+$/

/** Local users, their devices and access tokens. All of them are in memory: a node has few. */
export class Accounts {
  readonly #ports: AccountsPorts
  readonly #config: AccountsConfig
  readonly #accounts = new Map<UserId, StoredAccount>()
  /** Names whose registration is being written. */
  readonly #reserved = new Set<UserId>()
  readonly #devices = new Map<UserId, Map<string, StoredDevice>>()
  readonly #sessions = new Map<string, Session>()
  readonly #lastSeen = new Map<string, number>()

  private constructor(ports: AccountsPorts, config: AccountsConfig) {
    this.#ports = ports
    this.#config = config
  }

  static async open(ports: AccountsPorts, config: AccountsConfig): Promise<Accounts> {
    const accounts = new Accounts(ports, config)
    for await (const { value } of everyEntry(ports.storage, accountsTables.accounts)) accounts.#accounts.set(value.userId, value)
    for await (const { value } of everyEntry(ports.storage, accountsTables.devices))
      accounts.#devicesOf(value.userId).set(value.deviceId, value)
    for await (const { key, value } of everyEntry(ports.storage, accountsTables.accessTokens)) {
      accounts.#sessions.set(key[0], { userId: value.userId, deviceId: value.deviceId, tokenHash: key[0] })
    }
    return accounts
  }

  /** The user of this server with that localpart, or with that whole id; undefined when it is no valid id of this server. */
  localUserId(nameOrId: string): UserId | undefined {
    const userId = nameOrId.startsWith('@') ? parseUserId(nameOrId) : parseUserId(`@${nameOrId.toLowerCase()}:${this.#config.serverName}`)
    return userId !== undefined && serverNameOf(userId) === this.#config.serverName ? userId : undefined
  }

  exists(userId: UserId): boolean {
    const account = this.#accounts.get(userId)
    return account !== undefined && !account.deactivated
  }

  isOwner(userId: UserId): boolean {
    return this.#accounts.get(userId)?.owner === true
  }

  isRegistrationOpen(): boolean {
    return this.#config.openRegistration || (this.#accounts.size === 0 && this.#reserved.size === 0)
  }

  userIds(): UserId[] {
    return [...this.#accounts.values()].filter((account) => !account.deactivated).map((account) => account.userId)
  }

  /** Whether the name could be registered, were registration open. */
  availability(localpart: string): 'available' | 'in-use' | 'invalid-name' {
    if (!localpartPattern.test(localpart)) return 'invalid-name'
    const userId = this.localUserId(localpart)
    if (userId === undefined) return 'invalid-name'
    return this.#accounts.has(userId) || this.#reserved.has(userId) ? 'in-use' : 'available'
  }

  /** Without a name, one is made up. The first account becomes the owner; afterwards registration is closed unless configured open. */
  async register(input: { readonly localpart?: string; readonly password?: string }): Promise<RegisterOutcome> {
    if (!this.isRegistrationOpen() || this.#accounts.size >= limits.implementation.accountsMax) return { kind: 'closed' }
    const localpart = input.localpart ?? encodeBase64Url(this.#ports.random.bytes(9)).toLowerCase()
    const availability = this.availability(localpart)
    if (availability !== 'available') return { kind: availability }
    const userId = makeUserId(localpart, this.#config.serverName)
    this.#reserved.add(userId)
    try {
      const account: StoredAccount = {
        userId,
        createdAt: this.#ports.clock.now(),
        owner: this.#accounts.size === 0,
        deactivated: false,
        ...(input.password === undefined ? {} : { password: this.#hash(input.password) }),
      }
      const batch = new WriteBatch().put(accountsTables.accounts, [userId], account)
      batch.put(accountsTables.profiles, [userId], { displayname: localpart })
      await this.#ports.storage.commit(batch.writes)
      this.#accounts.set(userId, account)
      return { kind: 'registered', userId }
    } finally {
      this.#reserved.delete(userId)
    }
  }

  hasPassword(userId: UserId, password: string): boolean {
    const account = this.#accounts.get(userId)
    if (account?.password === undefined || account.deactivated) return false
    return password.length <= limits.implementation.passwordLengthMax && verifyPassword(password, account.password)
  }

  async setPassword(userId: UserId, password: string): Promise<void> {
    const account = this.#account(userId)
    const changed = { ...account, password: this.#hash(password) }
    await this.#ports.storage.commit(new WriteBatch().put(accountsTables.accounts, [userId], changed).writes)
    this.#accounts.set(userId, changed)
  }

  async deactivate(userId: UserId): Promise<void> {
    const { password: _password, ...account } = this.#account(userId)
    const changed = { ...account, deactivated: true }
    await this.#ports.storage.commit(new WriteBatch().put(accountsTables.accounts, [userId], changed).writes)
    this.#accounts.set(userId, changed)
  }

  /** Opens a session on a new device, or on the named one, whose earlier tokens then end. Undefined when the user has too many devices. */
  async logIn(
    userId: UserId,
    device: { readonly deviceId?: string; readonly displayName?: string },
  ): Promise<{ readonly deviceId: string; readonly accessToken: string } | undefined> {
    const deviceId = device.deviceId ?? encodeBase64Url(this.#ports.random.bytes(8)).replaceAll(/[-_]/g, 'A').toUpperCase()
    const devices = this.#devicesOf(userId)
    const existing = devices.get(deviceId)
    if (existing === undefined && devices.size >= limits.implementation.devicesPerUserMax) return undefined
    const accessToken = `kith_${encodeBase64Url(this.#ports.random.bytes(32))}`
    const tokenHash = hashToken(accessToken)
    const displayName = existing?.displayName ?? device.displayName
    const stored: StoredDevice = {
      userId,
      deviceId,
      createdAt: existing?.createdAt ?? this.#ports.clock.now(),
      ...(displayName === undefined ? {} : { displayName }),
    }
    const ended = this.#sessionsOf(userId, deviceId)
    const batch = new WriteBatch().put(accountsTables.devices, [userId, deviceId], stored)
    batch.put(accountsTables.accessTokens, [tokenHash], { userId, deviceId })
    for (const session of ended) batch.delete(accountsTables.accessTokens, [session.tokenHash])
    await this.#ports.storage.commit(batch.writes)
    devices.set(deviceId, stored)
    for (const session of ended) this.#sessions.delete(session.tokenHash)
    this.#sessions.set(tokenHash, { userId, deviceId, tokenHash })
    return { deviceId, accessToken }
  }

  session(accessToken: string): Session | undefined {
    const session = this.#sessions.get(hashToken(accessToken))
    if (session === undefined || !this.exists(session.userId)) return undefined
    this.#lastSeen.set(session.tokenHash, this.#ports.clock.now())
    return session
  }

  devices(userId: UserId): StoredDevice[] {
    return [...this.#devicesOf(userId).values()]
  }

  device(userId: UserId, deviceId: string): StoredDevice | undefined {
    return this.#devices.get(userId)?.get(deviceId)
  }

  /** Milliseconds since the epoch; since the process began only. */
  lastSeen(userId: UserId, deviceId: string): number | undefined {
    const times = this.#sessionsOf(userId, deviceId).map((session) => this.#lastSeen.get(session.tokenHash) ?? 0)
    const latest = Math.max(0, ...times)
    return latest === 0 ? undefined : latest
  }

  /** Writes the device's new name. `deviceRenamed` must be called as soon as that is committed. */
  renameDevice(device: StoredDevice, displayName: string, batch: WriteBatch): void {
    batch.put(accountsTables.devices, [device.userId, device.deviceId], { ...device, displayName })
  }

  deviceRenamed(device: StoredDevice, displayName: string): void {
    this.#devicesOf(device.userId).set(device.deviceId, { ...device, displayName })
  }

  /** Writes that remove devices and their tokens. `devicesRemoved` must follow the commit. */
  removeDevices(userId: UserId, deviceIds: readonly string[], batch: WriteBatch): void {
    for (const deviceId of deviceIds) {
      batch.delete(accountsTables.devices, [userId, deviceId])
      for (const session of this.#sessionsOf(userId, deviceId)) batch.delete(accountsTables.accessTokens, [session.tokenHash])
    }
  }

  devicesRemoved(userId: UserId, deviceIds: readonly string[]): void {
    for (const deviceId of deviceIds) {
      for (const session of this.#sessionsOf(userId, deviceId)) {
        this.#sessions.delete(session.tokenHash)
        this.#lastSeen.delete(session.tokenHash)
      }
      this.#devicesOf(userId).delete(deviceId)
    }
  }

  /** Undefined when there is no such local user. Extended fields (MSC4133, spec v1.16) are members of the same object. */
  async profile(userId: UserId): Promise<JsonObject | undefined> {
    if (!this.exists(userId)) return undefined
    return (await this.#ports.storage.get(accountsTables.profiles, [userId])) ?? {}
  }

  async setProfile(userId: UserId, profile: JsonObject): Promise<void> {
    await this.#ports.storage.commit(new WriteBatch().put(accountsTables.profiles, [userId], profile).writes)
  }

  /** Local users whose name or id contains the term. */
  async search(term: string, limit: number): Promise<{ readonly userId: UserId; readonly profile: JsonObject }[]> {
    const wanted = term.toLowerCase()
    const found: { userId: UserId; profile: JsonObject }[] = []
    for (const userId of this.userIds()) {
      if (found.length >= limit) break
      const profile = (await this.profile(userId)) ?? {}
      const name = typeof profile['displayname'] === 'string' ? profile['displayname'].toLowerCase() : ''
      if (name.includes(wanted) || localpartOf(userId).includes(wanted) || userId === wanted) found.push({ userId, profile })
    }
    return found
  }

  #hash(password: string): PasswordHash {
    return hashPassword(password, this.#config.passwordCostLog2, this.#ports.random)
  }

  #account(userId: UserId): StoredAccount {
    const account = this.#accounts.get(userId)
    if (account === undefined) throw new Error('No such local account')
    return account
  }

  #devicesOf(userId: UserId): Map<string, StoredDevice> {
    let devices = this.#devices.get(userId)
    if (devices === undefined) this.#devices.set(userId, (devices = new Map<string, StoredDevice>()))
    return devices
  }

  #sessionsOf(userId: UserId, deviceId: string): Session[] {
    return [...this.#sessions.values()].filter((session) => session.userId === userId && session.deviceId === deviceId)
  }
}

function hashToken(token: string): string {
  return encodeBase64Url(sha256(new TextEncoder().encode(token)))
}

const pageSize = 1000

/** The whole of a table, page by page. */
export async function* everyEntry<K extends Key, V extends StoredValue>(
  storage: Storage,
  table: Table<K, V>,
): AsyncGenerator<{ readonly key: K; readonly value: V }> {
  let after: Key | undefined
  for (;;) {
    const page = await storage.range(table, { limit: pageSize, ...(after === undefined ? {} : { after }) })
    yield* page
    if (page.length < pageSize) return
    after = page.at(-1)?.key
  }
}
