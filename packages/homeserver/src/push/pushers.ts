import type { UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { type Pusher, type PusherKey, type PusherProgress, pusherTables } from './pusher-tables.ts'

export type SetPusherOutcome = 'set' | 'too-many'

function nameOf(key: PusherKey): string {
  return JSON.stringify(key)
}

export function keyOf({ userId, appId, pushkey }: Pusher): PusherKey {
  return [userId, appId, pushkey]
}

/** All pushers of this server; they are few, and in memory. Changes are made one after the other. */
export class Pushers {
  readonly #storage: Storage
  readonly #pushers: Map<string, Pusher>
  readonly #changes = new KeyedQueue<'changes'>()
  #listener: ((pusher: Pusher) => void) | undefined

  private constructor(storage: Storage, pushers: Map<string, Pusher>) {
    this.#storage = storage
    this.#pushers = pushers
  }

  static async open(storage: Storage): Promise<Pushers> {
    const rows = await storage.range(pusherTables.pushers, { limit: limits.implementation.pushersMax })
    return new Pushers(storage, new Map(rows.map(({ key, value }) => [nameOf(key), value])))
  }

  all(): Pusher[] {
    return [...this.#pushers.values()]
  }

  of(userId: UserId): Pusher[] {
    return this.all().filter((pusher) => pusher.userId === userId)
  }

  get(key: PusherKey): Pusher | undefined {
    return this.#pushers.get(nameOf(key))
  }

  /** Hears of every pusher that was set, after it is durable. */
  onSet(listener: (pusher: Pusher) => void): void {
    this.#listener = listener
  }

  /** A new pusher tells what comes after `position`; one that is set again goes on. Without `append` it is taken from other users. */
  async set(pusher: Pusher, append: boolean, position: number): Promise<SetPusherOutcome> {
    return this.#changes.run('changes', async () => {
      const key = keyOf(pusher)
      const isNew = this.get(key) === undefined
      const { pushersMax, pushersPerUserMax } = limits.implementation
      if (isNew && (this.#pushers.size >= pushersMax || this.of(pusher.userId).length >= pushersPerUserMax)) return 'too-many'
      const isSame = ({ userId, appId, pushkey }: Pusher): boolean =>
        userId !== pusher.userId && appId === pusher.appId && pushkey === pusher.pushkey
      const taken = append ? [] : this.all().filter(isSame)
      const batch = new WriteBatch().put(pusherTables.pushers, key, pusher)
      if (isNew) batch.put(pusherTables.progress, key, { position, unread: 0, failures: 0, retryAt: 0 })
      for (const other of taken) batch.delete(pusherTables.pushers, keyOf(other)).delete(pusherTables.progress, keyOf(other))
      await this.#storage.commit(batch.writes)
      for (const other of taken) this.#pushers.delete(nameOf(keyOf(other)))
      this.#pushers.set(nameOf(key), pusher)
      this.#listener?.(pusher)
      return 'set'
    })
  }

  async remove(keys: readonly PusherKey[]): Promise<void> {
    await this.#changes.run('changes', async () => {
      const batch = new WriteBatch()
      for (const key of keys) batch.delete(pusherTables.pushers, key).delete(pusherTables.progress, key)
      await this.#storage.commit(batch.writes)
      for (const key of keys) this.#pushers.delete(nameOf(key))
    })
  }

  async progress(key: PusherKey): Promise<PusherProgress> {
    return (await this.#storage.get(pusherTables.progress, key)) ?? { position: 0, unread: 0, failures: 0, retryAt: 0 }
  }

  /** A pusher that is gone leaves no progress behind. */
  async putProgress(key: PusherKey, progress: PusherProgress): Promise<void> {
    await this.#changes.run('changes', async () => {
      if (this.get(key) === undefined) return
      await this.#storage.commit(new WriteBatch().put(pusherTables.progress, key, progress).writes)
    })
  }
}
