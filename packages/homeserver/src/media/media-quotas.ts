import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { type MediaUsage, mediaTables, type UsageScope } from './tables.ts'

const NOTHING_USED: MediaUsage = { bytes: 0, files: 0 }

/**
 * How much each user, and the cache of other servers' files, holds. Stored in the commits that add and remove files, so it is never wrong;
 * what is on its way in counts too, in memory.
 */
export class MediaQuotas {
  readonly #storage: Storage
  readonly #writes = new KeyedQueue<UsageScope>()
  readonly #underWay = new Map<UsageScope, number>()

  constructor(storage: Storage) {
    this.#storage = storage
  }

  async used(scope: UsageScope): Promise<MediaUsage> {
    return (await this.#storage.get(mediaTables.usage, [scope])) ?? NOTHING_USED
  }

  bytesUnderWay(scope: UsageScope): number {
    return this.#underWay.get(scope) ?? 0
  }

  /** Room for one file that is about to come. */
  reserve(scope: UsageScope, bytesMax: number, filesMax: number): Reservation {
    return new Reservation(this, scope, bytesMax, filesMax)
  }

  addUnderWay(scope: UsageScope, bytes: number): void {
    const sum = this.bytesUnderWay(scope) + bytes
    if (sum === 0) this.#underWay.delete(scope)
    else this.#underWay.set(scope, sum)
  }

  /** Commits what `write` adds to the batch together with the changed usage. Changes of one scope go one after the other. */
  async commit(scope: UsageScope, change: MediaUsage, write: (batch: WriteBatch) => void): Promise<void> {
    await this.#writes.run(scope, async () => {
      const used = await this.used(scope)
      const batch = new WriteBatch()
      write(batch)
      batch.put(mediaTables.usage, [scope], { bytes: used.bytes + change.bytes, files: used.files + change.files })
      await this.#storage.commit(batch.writes)
    })
  }
}

/** The room that one file takes while it comes. */
class Reservation {
  readonly #quotas: MediaQuotas
  readonly #scope: UsageScope
  readonly #bytesMax: number
  readonly #filesMax: number
  #bytes = 0
  #isReleased = false
  #isTooLarge = false

  constructor(quotas: MediaQuotas, scope: UsageScope, bytesMax: number, filesMax: number) {
    this.#quotas = quotas
    this.#scope = scope
    this.#bytesMax = bytesMax
    this.#filesMax = filesMax
  }

  /** Whether it was refused as a file, not for want of room. */
  get isTooLarge(): boolean {
    return this.#isTooLarge
  }

  /** Whether that many more bytes may come. */
  async grow(bytes: number): Promise<boolean> {
    this.#isTooLarge = this.#bytes + bytes > limits.implementation.mediaFileBytesMax
    if (this.#isTooLarge) return false
    this.#bytes += bytes
    this.#quotas.addUnderWay(this.#scope, bytes)
    const used = await this.#quotas.used(this.#scope)
    return used.bytes + this.#quotas.bytesUnderWay(this.#scope) <= this.#bytesMax
  }

  async admitsFile(): Promise<boolean> {
    return (await this.#quotas.used(this.#scope)).files < this.#filesMax
  }

  async commit(write: (batch: WriteBatch) => void): Promise<void> {
    await this.#quotas.commit(this.#scope, { bytes: this.#bytes, files: 1 }, write)
    this.release()
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#quotas.addUnderWay(this.#scope, -this.#bytes)
  }
}
