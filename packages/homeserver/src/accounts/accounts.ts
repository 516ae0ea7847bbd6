import {
  encodeBase64Url,
  type JsonObject,
  makeUserId,
  parseUserId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { everyEntry } from '../every-entry.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { hashPassword, type PasswordHash, verifyPassword } from './password-hash.ts'
import { accountsTables, type Restriction, type StoredAccount } from './tables.ts'

/** Who makes a request, proven by an access token. */
export interface Session {
  readonly userId: UserId
  readonly deviceId: string
  /** The application service that acts as this user, with its own token. Its device is empty where it names none. */
  readonly appServiceId?: string
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
  /** When there are any, who registers needs one of them. */
  readonly registrationTokens: readonly string[]
  /** log2 of scrypt's N. */
  readonly passwordCostLog2: number
}

const localpartPattern = /^[a-z0-9._=/+-]+$/

/**
 * Local users. All of them are in memory: a node has few.
 *
 * Invariants:
 * 1. Changes of one account follow each other, and are in memory once they are durable.
 * 2. A deactivated account stays for ever, so that nobody else gets its id.
 */
export class Accounts {
  readonly #ports: AccountsPorts
  readonly #config: AccountsConfig
  readonly #accounts = new Map<UserId, StoredAccount>()
  /** Names whose registration is being written. */
  readonly #reserved = new Set<UserId>()
  /** Those of them that are people's. */
  readonly #reservedByPeople = new Set<UserId>()
  readonly #changes = new KeyedQueue<UserId>()

  private constructor(ports: AccountsPorts, config: AccountsConfig) {
    this.#ports = ports
    this.#config = config
  }

  static async open(ports: AccountsPorts, config: AccountsConfig): Promise<Accounts> {
    const accounts = new Accounts(ports, config)
    for await (const { value } of everyEntry(ports.storage, accountsTables.accounts)) accounts.#accounts.set(value.userId, value)
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

  /** Undefined for users who may do everything. */
  restriction(userId: UserId): Restriction | undefined {
    const account = this.#accounts.get(userId)
    if (account?.locked === true) return 'locked'
    return account?.suspended === true ? 'suspended' : undefined
  }

  isRestricted(userId: UserId, restriction: Restriction): boolean {
    return this.#accounts.get(userId)?.[restriction] === true
  }

  hasRegistrationTokens(): boolean {
    return this.#config.registrationTokens.length > 0
  }

  isRegistrationToken(token: string): boolean {
    return this.#config.registrationTokens.includes(token)
  }

  isRegistrationOpen(): boolean {
    return this.#config.openRegistration || (this.#hasNoPeople() && this.#reservedByPeople.size === 0)
  }

  /** The application service whose registration made the account. */
  appServiceOf(userId: UserId): string | undefined {
    return this.#accounts.get(userId)?.appServiceId
  }

  /** Those who came for application services own nothing, and shut nobody out. */
  #hasNoPeople(): boolean {
    return this.#accounts.values().every(({ appServiceId }) => appServiceId !== undefined)
  }

  /** With those that have ended. */
  get total(): number {
    return this.#accounts.size
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

  /**
   * Without a name, one is made up. The first account becomes the owner; afterwards registration is closed unless configured open.
   * An application service's users may always be registered.
   */
  async register(input: {
    readonly localpart?: string
    readonly password?: string
    readonly appServiceId?: string
  }): Promise<RegisterOutcome> {
    const { appServiceId } = input
    if (appServiceId === undefined && !this.isRegistrationOpen()) return { kind: 'closed' }
    if (this.#accounts.size >= limits.implementation.accountsMax) return { kind: 'closed' }
    const localpart = input.localpart ?? encodeBase64Url(this.#ports.random.bytes(9)).toLowerCase()
    const availability = this.availability(localpart)
    if (availability !== 'available') return { kind: availability }
    const userId = makeUserId(localpart, this.#config.serverName)
    this.#reserved.add(userId)
    if (appServiceId === undefined) this.#reservedByPeople.add(userId)
    try {
      const account: StoredAccount = {
        userId,
        createdAt: this.#ports.clock.now(),
        owner: appServiceId === undefined && this.#hasNoPeople(),
        deactivated: false,
        ...(input.password === undefined ? {} : { password: this.#hash(input.password) }),
        ...(appServiceId === undefined ? {} : { appServiceId }),
      }
      const batch = new WriteBatch().put(accountsTables.accounts, [userId], account)
      batch.put(accountsTables.profiles, [userId], { displayname: localpart })
      await this.#ports.storage.commit(batch.writes)
      this.#accounts.set(userId, account)
      return { kind: 'registered', userId }
    } finally {
      this.#reserved.delete(userId)
      this.#reservedByPeople.delete(userId)
    }
  }

  hasPassword(userId: UserId, password: string): boolean {
    const account = this.#accounts.get(userId)
    if (account?.password === undefined || account.deactivated) return false
    return password.length <= limits.implementation.passwordLengthMax && verifyPassword(password, account.password)
  }

  /** Whether a password can prove that it is this user. */
  canProve(userId: UserId): boolean {
    return this.credential(userId) !== undefined
  }

  /** What a password was right for; another one after the password has changed. */
  credential(userId: UserId): object | undefined {
    return this.exists(userId) ? this.#accounts.get(userId)?.password : undefined
  }

  /** @param commit makes the change durable, with whatever is to change at the same moment. */
  async setPassword(userId: UserId, password: string, commit?: (batch: WriteBatch) => Promise<void>): Promise<void> {
    const hash = this.#hash(password)
    await this.#change(userId, (account) => ({ ...account, password: hash }), commit)
  }

  async restrict(userId: UserId, restriction: Restriction, restricted: boolean): Promise<void> {
    await this.#change(userId, ({ [restriction]: _old, ...account }) => (restricted ? { ...account, [restriction]: true } : account))
  }

  /** From now on nobody is this user. What the account holds elsewhere is for `Deactivations` to clear. */
  async deactivate(userId: UserId, erase: boolean): Promise<void> {
    await this.#change(userId, ({ password: _password, ...account }) => ({
      ...account,
      deactivated: true,
      ...(erase ? { erased: true } : {}),
    }))
  }

  /** Accounts that ended, with whether their data is to go too. */
  deactivated(): readonly { readonly userId: UserId; readonly erased: boolean }[] {
    return [...this.#accounts.values()]
      .filter((account) => account.deactivated)
      .map(({ userId, erased }) => ({ userId, erased: erased === true }))
  }

  /** Undefined when there is no such local user. Extended fields (MSC4133, spec v1.16) are members of the same object. */
  async profile(userId: UserId): Promise<JsonObject | undefined> {
    if (!this.exists(userId)) return undefined
    return (await this.#ports.storage.get(accountsTables.profiles, [userId])) ?? {}
  }

  /** Changes the profile from what it is at its turn; what `change` throws leaves it. */
  async changeProfile(userId: UserId, change: (profile: JsonObject) => JsonObject): Promise<void> {
    const { storage } = this.#ports
    await this.#changes.run(userId, async () => {
      const profile = change((await storage.get(accountsTables.profiles, [userId])) ?? {})
      await storage.commit(new WriteBatch().put(accountsTables.profiles, [userId], profile).writes)
    })
  }

  /** Of all users of this server that are still there. */
  async profiles(): Promise<(readonly [UserId, JsonObject])[]> {
    const users = new Set(this.userIds())
    const profiles = new Map<UserId, JsonObject>([...users].map((userId) => [userId, {}]))
    for await (const { key, value } of everyEntry(this.#ports.storage, accountsTables.profiles))
      if (users.has(key[0])) profiles.set(key[0], value)
    return [...profiles]
  }

  #hash(password: string): PasswordHash {
    return hashPassword(password, this.#config.passwordCostLog2, this.#ports.random)
  }

  async #change(
    userId: UserId,
    change: (account: StoredAccount) => StoredAccount,
    commit: (batch: WriteBatch) => Promise<void> = async (batch) => this.#ports.storage.commit(batch.writes),
  ): Promise<void> {
    await this.#changes.run(userId, async () => {
      const account = this.#accounts.get(userId)
      if (account === undefined || account.deactivated) throw new Error('No such local account')
      const changed = change(account)
      await commit(new WriteBatch().put(accountsTables.accounts, [userId], changed))
      this.#accounts.set(userId, changed)
    })
  }
}
