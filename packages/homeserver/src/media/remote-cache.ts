import { encodeBase64Url } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { type BlobStore, WritingBlob } from './blob-store.ts'
import type { ByteRange } from './byte-range.ts'
import type { MediaDetails } from './media-details.ts'
import type { MediaQuotas } from './media-quotas.ts'
import { type MediaKey, mediaTables, type StoredMedia } from './tables.ts'

/** A file of another server: whole in storage, or on its way there. */
export interface CachedFile {
  readonly details: MediaDetails
  /** In bytes, when known yet. */
  readonly size: number | undefined
  /** Names these bytes and no others, once they are all here. */
  readonly tag: string | undefined
  /** A range can be given once the size is known. */
  body(range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>>
}

/**
 * Files of other servers that somebody here looked at. What nobody wanted for the longest time goes first when room is needed;
 * everything in it can be had again.
 */
export class RemoteCache {
  readonly #ports: { readonly storage: Storage; readonly clock: Clock; readonly random: Random }
  readonly #blobs: BlobStore
  readonly #quotas: MediaQuotas
  /** Moving a file in the order of use, and forgetting it, exclude each other. */
  readonly #uses = new KeyedQueue<'uses'>()

  constructor(ports: { readonly storage: Storage; readonly clock: Clock; readonly random: Random }, blobs: BlobStore, quotas: MediaQuotas) {
    this.#ports = ports
    this.#blobs = blobs
    this.#quotas = quotas
  }

  async get(key: MediaKey): Promise<CachedFile | undefined> {
    const media = await this.#ports.storage.get(mediaTables.files, key)
    if (media === undefined) return undefined
    await this.touch(key)
    const { size, blob, chunks } = media
    return { details: media, size, tag: blob, body: (range) => this.#blobs.read(blob, chunks, range) }
  }

  /**
   * Takes a file in while it can be read already. `stored` settles when it is in the cache, or when it will not be: with 'refused' for
   * one that is too large, or with what the body, the storage or the signal throws. Readers' streams fail then too.
   */
  put(
    key: MediaKey,
    details: MediaDetails,
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal,
  ): { readonly file: CachedFile; readonly stored: Promise<'stored' | 'refused'> } {
    const blob = new WritingBlob(encodeBase64Url(this.#ports.random.bytes(18)))
    const file = { details, size: undefined, tag: undefined, body: () => this.#blobs.follow(blob) }
    return { file, stored: this.#store(key, details, blob, body, signal) }
  }

  async #store(
    key: MediaKey,
    details: MediaDetails,
    blob: WritingBlob,
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal,
  ): Promise<'stored' | 'refused'> {
    const { remoteMediaBytesMax } = limits.implementation
    const reservation = this.#quotas.reserve('remote', remoteMediaBytesMax, Number.MAX_SAFE_INTEGER)
    let kept = false
    try {
      // What grows over the quota is let in once others have made room.
      const admit = async (bytes: number): Promise<boolean> =>
        (await reservation.grow(bytes)) || (!reservation.isTooLarge && (await this.#uses.run('uses', async () => this.#makeRoom())))
      const written = await this.#blobs.write(blob, body, admit, signal)
      if (written === 'refused') return 'refused'
      const now = this.#ports.clock.now()
      const { size } = written
      const media: StoredMedia = { ...details, size, createdAt: now, blob: blob.id, chunks: blob.chunks, usedAt: now }
      await reservation.commit((batch) => {
        batch.put(mediaTables.files, key, media).put(mediaTables.remoteUses, [now, ...key], size)
        this.#blobs.finish(batch, blob)
      })
      kept = true
      blob.ended('whole')
      return 'stored'
    } finally {
      reservation.release()
      if (!kept) await this.#blobs.discard(blob)
    }
  }

  /** Forgets the files unwanted for the longest time until what is there and under way fits. False when it cannot. */
  async #makeRoom(): Promise<boolean> {
    const { remoteMediaBytesMax, remoteMediaEvictedAtOnceMax } = limits.implementation
    const isOver = async (): Promise<boolean> =>
      (await this.#quotas.used('remote')).bytes + this.#quotas.bytesUnderWay('remote') > remoteMediaBytesMax
    const oldest = await this.#ports.storage.range(mediaTables.remoteUses, { limit: remoteMediaEvictedAtOnceMax })
    for (const { key } of oldest) {
      if (!(await isOver())) return true
      const [usedAt, ...mediaKey] = key
      const media = await this.#ports.storage.get(mediaTables.files, mediaKey)
      if (media === undefined || media.usedAt !== usedAt || this.#blobs.isRead(media.blob)) continue
      await this.#quotas.commit('remote', { bytes: -media.size, files: -1 }, (batch) => {
        batch.delete(mediaTables.files, mediaKey).delete(mediaTables.remoteUses, key)
        this.#blobs.delete(batch, media.blob, media.chunks)
      })
    }
    return !(await isOver())
  }

  /** Moves the file to the end of the queue, now and then: an hour more or less does not matter, a write for each look would. */
  async touch(key: MediaKey): Promise<void> {
    await this.#uses.run('uses', async () => this.#touch(key))
  }

  async #touch(key: MediaKey): Promise<void> {
    const now = this.#ports.clock.now()
    const media = await this.#ports.storage.get(mediaTables.files, key)
    if (media?.usedAt === undefined || now - media.usedAt < limits.implementation.remoteMediaUseResolutionMs) return
    const batch = new WriteBatch()
      .delete(mediaTables.remoteUses, [media.usedAt, ...key])
      .put(mediaTables.remoteUses, [now, ...key], media.size)
      .put(mediaTables.files, key, { ...media, usedAt: now })
    await this.#ports.storage.commit(batch.writes)
  }
}
