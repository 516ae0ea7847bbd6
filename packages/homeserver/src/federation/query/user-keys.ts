import { isJsonObject, type JsonObject, type JsonValue, ownObject, parseUserId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { RemoteKeysOutcome } from '../../client-api/federation-access.ts'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer } from '../../keys/key-types.ts'
import { limits } from '../../limits.ts'
import { type Storage, WriteBatch } from '../../ports/storage.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Timeline } from '../../timeline/index.ts'
import { KeyedQueue } from '../keyed-queue.ts'
import type { PeerClient } from '../peer-client.ts'
import { type CachedUserKeys, federationTables } from '../tables.ts'

export interface UserKeysParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly client: PeerClient
  readonly rooms: Rooms
}

/** Keys of other servers' users: asked for, kept, and answered from what is kept when the server is away. */
export class UserKeys {
  readonly #parts: UserKeysParts
  /** Changes of one user's cached keys, one after the other. */
  readonly #changes = new KeyedQueue<UserId>()
  /** How often a user's keys were reported as changed, so that an answer asked for before is not taken for fresh. */
  readonly #reports = new Map<UserId, number>()

  constructor(parts: UserKeysParts) {
    this.#parts = parts
  }

  async query(byServer: ReadonlyMap<ServerName, readonly UserId[]>, signal: AbortSignal): Promise<Map<ServerName, RemoteKeysOutcome<KeyQueryAnswer>>> {
    const answers = await Promise.all(
      Array.from(byServer, async ([server, users]) => [server, await this.#queryServer(server, users, signal)] as const),
    )
    return new Map(answers)
  }

  async claim(byServer: ReadonlyMap<ServerName, KeyClaims>, signal: AbortSignal): Promise<Map<ServerName, RemoteKeysOutcome<ClaimedKeys>>> {
    const answers = await Promise.all(
      Array.from(byServer, async ([server, claims]) => [server, await this.#claimFrom(server, claims, signal)] as const),
    )
    return new Map(answers)
  }

  /** The user's server says that something changed. Resolves when that is durable. */
  reportChange(userId: UserId): Promise<void> {
    this.#reports.set(userId, (this.#reports.get(userId) ?? 0) + 1)
    return this.#changes.run(userId, async () => {
      const cached = await this.#parts.storage.get(federationTables.userKeys, [userId])
      if (cached === undefined && !this.#isMet(userId)) return
      await this.#parts.timeline.commit((transaction) => {
        if (cached !== undefined) transaction.batch.put(federationTables.userKeys, [userId], { ...cached, stale: true })
        transaction.append({ kind: 'device-list', userId })
      })
    })
  }

  async #queryServer(server: ServerName, users: readonly UserId[], signal: AbortSignal): Promise<RemoteKeysOutcome<KeyQueryAnswer>> {
    const cached = new Map<UserId, CachedUserKeys>()
    const rows = await this.#parts.storage.getMany(
      federationTables.userKeys,
      users.map((userId) => [userId] as const),
    )
    for (const [index, userId] of users.entries()) {
      const row = rows[index]
      if (row !== undefined) cached.set(userId, row)
    }
    // Only of users met in a room does their server tell every change.
    const unsure = users.filter((userId) => cached.get(userId)?.stale !== false || !this.#isMet(userId))
    if (unsure.length === 0) return { kind: 'answered', answer: answerOf(cached) }
    const asked = await this.#ask(server, unsure, signal)
    for (const [userId, keys] of asked ?? []) cached.set(userId, keys)
    if (asked === undefined && cached.size === 0) return { kind: 'unreachable', reason: 'The server is away and its keys are not known' }
    return { kind: 'answered', answer: answerOf(cached) }
  }

  async #ask(server: ServerName, users: readonly UserId[], signal: AbortSignal): Promise<Map<UserId, CachedUserKeys> | undefined> {
    const reports = new Map(users.map((userId) => [userId, this.#reports.get(userId)]))
    const path = '/_matrix/federation/v1/user/keys/query'
    const body = { device_keys: Object.fromEntries(users.map((userId) => [userId, []])) }
    const answer = await this.#parts.client.call(server, { method: 'POST', path, body, timeoutMs: limits.implementation.interactiveTimeoutMs }, signal)
    if (answer.kind !== 'ok') return undefined
    const keys = new Map<UserId, CachedUserKeys>()
    for (const userId of users) {
      const stale = reports.get(userId) !== this.#reports.get(userId)
      keys.set(userId, { ...keysOf(answer.body, userId), stale })
    }
    await this.#store(keys)
    return keys
  }

  async #store(keys: ReadonlyMap<UserId, CachedUserKeys>): Promise<void> {
    for (const [userId, row] of keys) {
      // An empty answer for a user whom nobody here knows is not worth a row.
      if (Object.keys(row.deviceKeys).length === 0 && !this.#isMet(userId)) continue
      await this.#changes.run(userId, () => this.#parts.storage.commit(new WriteBatch().put(federationTables.userKeys, [userId], row).writes))
    }
  }

  async #claimFrom(server: ServerName, claims: KeyClaims, signal: AbortSignal): Promise<RemoteKeysOutcome<ClaimedKeys>> {
    const path = '/_matrix/federation/v1/user/keys/claim'
    const call = { method: 'POST', path, body: { one_time_keys: claims }, timeoutMs: limits.implementation.interactiveTimeoutMs } as const
    const answer = await this.#parts.client.call(server, call, signal)
    if (answer.kind !== 'ok') return { kind: 'unreachable', reason: answer.reason }
    return { kind: 'answered', answer: claimedOf(answer.body['one_time_keys'], claims) }
  }

  #isMet(userId: UserId): boolean {
    return this.#parts.rooms.usersSharingRooms(userId).size > 0
  }
}

function answerOf(cached: ReadonlyMap<UserId, CachedUserKeys>): KeyQueryAnswer {
  const answer: KeyQueryAnswer = { device_keys: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} }
  for (const [userId, keys] of cached) {
    answer.device_keys[userId] = { ...keys.deviceKeys }
    if (keys.masterKey !== undefined) answer.master_keys[userId] = keys.masterKey
    if (keys.selfSigningKey !== undefined) answer.self_signing_keys[userId] = keys.selfSigningKey
  }
  return answer
}

/** What the answer says of one user. A device or key that says it is another's is left out. */
function keysOf(body: JsonObject, userId: UserId): Omit<CachedUserKeys, 'stale'> {
  const devices = Object.entries(ownObject(ownObject(body, 'device_keys'), userId) ?? {})
  const deviceKeys: Record<string, JsonObject> = {}
  for (const [deviceId, device] of devices.slice(0, limits.implementation.devicesPerUserMax)) {
    if (isJsonObject(device) && device['user_id'] === userId && device['device_id'] === deviceId) deviceKeys[deviceId] = device
  }
  const masterKey = crossSigningKeyOf(body, 'master_keys', userId)
  const selfSigningKey = crossSigningKeyOf(body, 'self_signing_keys', userId)
  return {
    deviceKeys,
    ...(masterKey === undefined ? {} : { masterKey }),
    ...(selfSigningKey === undefined ? {} : { selfSigningKey }),
  }
}

function crossSigningKeyOf(body: JsonObject, member: string, userId: UserId): JsonObject | undefined {
  const key = ownObject(ownObject(body, member), userId)
  return key?.['user_id'] === userId ? key : undefined
}

/** Only what was asked for. */
function claimedOf(value: JsonValue | undefined, claims: KeyClaims): ClaimedKeys {
  const claimed: ClaimedKeys = {}
  if (!isJsonObject(value)) return claimed
  for (const [userId, devices] of Object.entries(claims)) {
    for (const deviceId of Object.keys(devices)) {
      const keys = ownObject(ownObject(value, userId), deviceId)
      if (keys !== undefined) (claimed[userId] ??= {})[deviceId] = keys
    }
  }
  return claimed
}

/** Whether the text is a user id of that server. */
export function userOf(server: ServerName, value: unknown): UserId | undefined {
  const userId = parseUserId(value)
  return userId !== undefined && serverNameOf(userId) === server ? userId : undefined
}
