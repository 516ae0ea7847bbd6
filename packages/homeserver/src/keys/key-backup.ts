import { isJsonObject, type JsonObject, ownMember, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { keysTables, type StoredBackupVersion } from './tables.ts'

export interface BackupEntry {
  readonly roomId: string
  readonly sessionId: string
  readonly session: JsonObject
}

export type BackupWriteOutcome =
  | { readonly kind: 'stored'; readonly count: number; readonly etag: string }
  | { readonly kind: 'no-backup' }
  | { readonly kind: 'wrong-version'; readonly currentVersion: string }

/** Encrypted room keys that clients keep at their server. Spec: Client-Server API, Server-side key backups. */
export class KeyBackup {
  readonly #storage: Storage
  readonly #queue = new KeyedQueue<UserId>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async createVersion(userId: UserId, algorithm: string, authData: JsonObject): Promise<string> {
    return this.#queue.run(userId, async () => {
      const [newest] = await this.#storage.range(keysTables.backupVersions, { prefix: [userId], reverse: true, limit: 1 })
      const number = (newest?.key[1] ?? 0) + 1
      await this.#put(userId, number, { version: String(number), algorithm, authData, etag: 0, count: 0, deleted: false })
      return String(number)
    })
  }

  /** The newest version, or the named one. */
  async version(userId: UserId, version?: string): Promise<StoredBackupVersion | undefined> {
    if (version !== undefined) {
      const number = versionNumber(version)
      const found = number === undefined ? undefined : await this.#storage.get(keysTables.backupVersions, [userId, number])
      return found?.deleted === false ? found : undefined
    }
    const versions = await this.#storage.range(keysTables.backupVersions, { prefix: [userId], reverse: true, limit: 1000 })
    return versions.find(({ value }) => !value.deleted)?.value
  }

  async updateVersion(userId: UserId, version: string, authData: JsonObject): Promise<boolean> {
    return this.#queue.run(userId, async () => {
      const stored = await this.version(userId, version)
      if (stored === undefined) return false
      await this.#put(userId, Number(version), { ...stored, authData })
      return true
    })
  }

  /** The row stays, so that its number is not used again. */
  async deleteVersion(userId: UserId, version: string): Promise<boolean> {
    return this.#queue.run(userId, async () => {
      const stored = await this.version(userId, version)
      if (stored === undefined) return false
      await this.#put(userId, Number(version), { ...stored, authData: {}, deleted: true, count: 0 })
      await this.#deleteSessions(userId, Number(version), [])
      return true
    })
  }

  /** Stores sessions, each where it is better than the stored one. */
  async putSessions(userId: UserId, version: string, entries: readonly BackupEntry[]): Promise<BackupWriteOutcome> {
    return this.#queue.run(userId, async () => {
      const current = await this.version(userId)
      if (current === undefined) return { kind: 'no-backup' }
      if (current.version !== version) return { kind: 'wrong-version', currentVersion: current.version }
      const keys = entries.map(({ roomId, sessionId }) => [userId, Number(version), roomId, sessionId] as const)
      const stored = await this.#storage.getMany(keysTables.backupSessions, keys)
      const batch = new WriteBatch()
      const added = new Set<string>()
      let changed = false
      entries.forEach((entry, index) => {
        const key = keys[index]
        const old = stored[index]
        if (key === undefined || (old !== undefined && !isBetter(entry.session, old))) return
        batch.put(keysTables.backupSessions, key, entry.session)
        if (old === undefined) added.add(JSON.stringify(key))
        changed = true
      })
      const next = { ...current, count: current.count + added.size, etag: current.etag + (changed ? 1 : 0) }
      batch.put(keysTables.backupVersions, [userId, Number(version)], next)
      if (changed) await this.#storage.commit(batch.writes)
      return { kind: 'stored', count: next.count, etag: String(next.etag) }
    })
  }

  async sessions(userId: UserId, version: string, within: readonly string[]): Promise<BackupEntry[]> {
    const number = versionNumber(version)
    if (number === undefined) return []
    const prefix = [userId, number, ...within] as const
    const rows = await this.#storage.range(keysTables.backupSessions, { prefix, limit: limits.implementation.backupSessionsMax })
    return rows.map(({ key, value }) => ({ roomId: key[2], sessionId: key[3], session: value }))
  }

  async deleteSessions(userId: UserId, version: string, within: readonly string[]): Promise<BackupWriteOutcome> {
    return this.#queue.run(userId, async () => {
      const stored = await this.version(userId, version)
      if (stored === undefined) return { kind: 'no-backup' }
      const removed = await this.#deleteSessions(userId, Number(version), within)
      const next = { ...stored, count: Math.max(0, stored.count - removed), etag: stored.etag + (removed > 0 ? 1 : 0) }
      await this.#put(userId, Number(version), next)
      return { kind: 'stored', count: next.count, etag: String(next.etag) }
    })
  }

  async #deleteSessions(userId: UserId, version: number, within: readonly string[]): Promise<number> {
    let removed = 0
    for (;;) {
      const rows = await this.#storage.range(keysTables.backupSessions, { prefix: [userId, version, ...within], limit: 1000 })
      if (rows.length === 0) return removed
      const batch = new WriteBatch()
      for (const { key } of rows) batch.delete(keysTables.backupSessions, key)
      await this.#storage.commit(batch.writes)
      removed += rows.length
    }
  }

  async #put(userId: UserId, version: number, stored: StoredBackupVersion): Promise<void> {
    await this.#storage.commit(new WriteBatch().put(keysTables.backupVersions, [userId, version], stored).writes)
  }
}

function versionNumber(version: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(version) ? Number(version) : undefined
}

/** Verified before unverified, then the earlier first message, then fewer hands. */
function isBetter(candidate: JsonObject, stored: JsonObject): boolean {
  const verified = (session: JsonObject): boolean => ownMember(session, 'is_verified') === true
  const number = (session: JsonObject, key: string): number => {
    const value = isJsonObject(session) ? ownMember(session, key) : undefined
    return typeof value === 'number' ? value : Infinity
  }
  if (verified(candidate) !== verified(stored)) return verified(candidate)
  const firstIndex = [number(candidate, 'first_message_index'), number(stored, 'first_message_index')] as const
  if (firstIndex[0] !== firstIndex[1]) return firstIndex[0] < firstIndex[1]
  return number(candidate, 'forwarded_count') < number(stored, 'forwarded_count')
}
