import { type JsonObject, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import { everyEntry } from '../accounts/accounts.ts'
import type { Storage } from '../ports/storage.ts'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import { keysTables } from './tables.ts'

/** An update for other servers; the ids that chain the updates of a user are filled in. */
export type DeviceListEdu =
  | { readonly type: 'm.device_list_update'; readonly content: JsonObject }
  | { readonly type: 'm.signing_key_update'; readonly content: JsonObject }

/**
 * When whose keys changed. The latest position of each user is in memory.
 * Changes of local users also go, in the same commit, to every server that shares a room with them.
 */
export class DeviceListChanges {
  readonly #timeline: Timeline
  readonly #serversSharingRooms: (userId: UserId) => Iterable<ServerName>
  readonly #positions = new Map<UserId, number>()

  private constructor(timeline: Timeline, serversSharingRooms: (userId: UserId) => Iterable<ServerName>) {
    this.#timeline = timeline
    this.#serversSharingRooms = serversSharingRooms
  }

  static async open(
    storage: Storage,
    timeline: Timeline,
    serversSharingRooms: (userId: UserId) => Iterable<ServerName>,
  ): Promise<DeviceListChanges> {
    const changes = new DeviceListChanges(timeline, serversSharingRooms)
    for await (const { key, value } of everyEntry(storage, keysTables.deviceListChanges)) changes.#positions.set(key[0], value)
    return changes
  }

  /** Commits the writes together with the news that these users' keys changed. */
  async commit(
    userIds: Iterable<UserId>,
    write: (transaction: TimelineTransaction) => void,
    edusFor: (userId: UserId) => readonly DeviceListEdu[] = () => [],
  ): Promise<void> {
    const changed = new Map<UserId, number>()
    const build = (transaction: TimelineTransaction): void => {
      write(transaction)
      for (const userId of userIds) {
        const edus = edusFor(userId)
        let previous = this.#positions.get(userId)
        // Each update has a position of its own: who has one of a position takes every other of it for the same.
        for (const edu of edus.length === 0 ? [undefined] : edus) {
          const position = transaction.append({ kind: 'device-list', userId })
          changed.set(userId, position)
          if (edu !== undefined) this.#enqueue(transaction, userId, edu, { position, previous })
          previous = position
        }
        if (previous !== undefined) transaction.batch.put(keysTables.deviceListChanges, [userId], previous)
      }
    }
    await this.#timeline.commit(build, () => {
      for (const [userId, position] of changed) this.#positions.set(userId, Math.max(position, this.positionOf(userId)))
    })
  }

  /** Whether the user is in a room of this server. */
  isInRooms(userId: UserId): boolean {
    const [server] = this.#serversSharingRooms(userId)
    return server !== undefined
  }

  /** The stream position now. */
  get position(): number {
    return this.#timeline.position
  }

  positionOf(userId: UserId): number {
    return this.#positions.get(userId) ?? 0
  }

  changedBetween(after: number, upTo: number): UserId[] {
    const users: UserId[] = []
    for (const [userId, position] of this.#positions) if (position > after && position <= upTo) users.push(userId)
    return users
  }

  #enqueue(
    transaction: TimelineTransaction,
    userId: UserId,
    { type, content }: DeviceListEdu,
    { position, previous }: { readonly position: number; readonly previous: number | undefined },
  ): void {
    const own = serverNameOf(userId)
    const chained =
      type === 'm.device_list_update' ? { ...content, stream_id: position, prev_id: previous === undefined ? [] : [previous] } : content
    for (const server of this.#serversSharingRooms(userId)) {
      if (server !== own) transaction.enqueue(server, { kind: 'edu', type, content: chained })
    }
  }
}
