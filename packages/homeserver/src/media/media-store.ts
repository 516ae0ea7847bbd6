import { encodeBase64Url, type ServerName, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import type { Thumbnailer } from '../ports/thumbnailer.ts'
import type { UrlPreviewer } from '../ports/url-previewer.ts'
import { waitBounded } from '../wait-bounded.ts'
import { WatchedNumber } from '../watched-number.ts'
import { BlobStore, WritingBlob } from './blob-store.ts'
import type { ByteRange } from './byte-range.ts'
import { MadeThumbnails } from './made-thumbnails.ts'
import type { MediaDetails } from './media-details.ts'
import { RemoteCache } from './remote-cache.ts'
import { mediaTables, type PendingMedia, type StoredMedia } from './tables.ts'
import { MediaQuotas } from './media-quotas.ts'
import { isAnimated } from './thumbnails.ts'
import { UrlPreviews } from './url-previews.ts'

export interface MediaPorts {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  readonly thumbnailer?: Thumbnailer
  readonly urlPreviewer?: UrlPreviewer
}

export type CreateMediaOutcome =
  | { readonly kind: 'created'; readonly mediaId: string; readonly expiresAt: number }
  | { readonly kind: 'too-many' }

export type UploadOutcome =
  | { readonly kind: 'stored'; readonly mediaId: string; readonly media: StoredMedia }
  /** Larger than a file may be. */
  | { readonly kind: 'too-large' }
  /** The user has no room left. */
  | { readonly kind: 'over-quota' }

export type FillOutcome =
  | UploadOutcome
  /** The id was never given out, or too long ago. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'of-another' }
  /** Content never changes. */
  | { readonly kind: 'filled-already' }

export type FindOutcome =
  | { readonly kind: 'found'; readonly media: StoredMedia }
  /** The id is given out, and the content did not come in time. */
  | { readonly kind: 'not-yet' }
  | { readonly kind: 'unknown' }

/**
 * Files of this server's users, and those of other servers that they looked at lately (`cache`).
 *
 * Invariants:
 * 1. A file is visible from the commit that writes its row; until then its chunks are provisional, and go when the upload or the process dies.
 * 2. What a user holds, uploads under way included, never exceeds their quota.
 */
export class MediaStore {
  readonly cache: RemoteCache
  /** Absent where no engine makes them: then a picture stands for its thumbnail. */
  readonly thumbnails: MadeThumbnails | undefined
  /** Absent where the owner does not want them, or none can be made. */
  readonly urlPreviews: UrlPreviews | undefined
  readonly #ports: MediaPorts
  readonly #serverName: ServerName
  readonly #blobs: BlobStore
  readonly #quotas: MediaQuotas
  readonly #perUser = new KeyedQueue<UserId>()
  /** Ids that are being filled. */
  readonly #filling = new Set<string>()
  /** Grows with every upload, for those who wait for one. */
  readonly #uploads = new WatchedNumber(0)

  private constructor(ports: MediaPorts, serverName: ServerName, blobs: BlobStore) {
    this.#ports = ports
    this.#serverName = serverName
    this.#blobs = blobs
    this.#quotas = new MediaQuotas(ports.storage)
    this.cache = new RemoteCache(ports, blobs, this.#quotas)
    const { thumbnailer, urlPreviewer: previewer, clock } = ports
    const newId = (): string => this.#newId()
    this.urlPreviews = previewer === undefined ? undefined : new UrlPreviews({ previewer, clock, serverName, newId, cache: this.cache })
    this.thumbnails = thumbnailer === undefined ? undefined : new MadeThumbnails({ thumbnailer, clock, cache: this.cache })
  }

  static async open(ports: MediaPorts, serverName: ServerName): Promise<MediaStore> {
    return new MediaStore(ports, serverName, await BlobStore.open(ports.storage))
  }

  /** An id to be filled later. */
  async create(uploader: UserId): Promise<CreateMediaOutcome> {
    return this.#perUser.run(uploader, async () => {
      const open = (await this.#livePending()).filter((pending) => pending.uploader === uploader)
      if (open.length >= limits.implementation.mediaPendingPerUserMax) return { kind: 'too-many' }
      const mediaId = this.#newId()
      const expiresAt = this.#ports.clock.now() + limits.implementation.mediaPendingLifetimeMs
      await this.#ports.storage.commit(new WriteBatch().put(mediaTables.pending, [mediaId], { uploader, expiresAt }).writes)
      return { kind: 'created', mediaId, expiresAt }
    })
  }

  async upload(uploader: UserId, details: MediaDetails, body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<UploadOutcome> {
    return this.#store(uploader, this.#newId(), details, body, signal)
  }

  /** Content for an id that `create` gave out. */
  async fill(
    uploader: UserId,
    mediaId: string,
    details: MediaDetails,
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal,
  ): Promise<FillOutcome> {
    const refusal = await this.#whyNotFill(uploader, mediaId)
    if (refusal !== undefined || this.#filling.has(mediaId)) {
      await body.cancel().catch(() => undefined)
      return refusal ?? { kind: 'filled-already' }
    }
    this.#filling.add(mediaId)
    try {
      return await this.#store(uploader, mediaId, details, body, signal)
    } finally {
      this.#filling.delete(mediaId)
    }
  }

  /** A file of this server; waits for one whose id is given out already. @throws the signal's reason. */
  async find(mediaId: string, patienceMs: number, signal: AbortSignal): Promise<FindOutcome> {
    const { clock, storage } = this.#ports
    const until = clock.now() + patienceMs
    for (;;) {
      const seen = this.#uploads.value
      const media = await storage.get(mediaTables.files, [this.#serverName, mediaId, ''])
      if (media !== undefined) {
        if (media.usedAt !== undefined) await this.cache.touch([this.#serverName, mediaId, ''])
        return { kind: 'found', media }
      }
      if ((await this.#pending(mediaId)) === undefined) return { kind: 'unknown' }
      const leftMs = until - clock.now()
      if (leftMs <= 0) return { kind: 'not-yet' }
      await waitBounded(clock, leftMs, signal, (bounded) => this.#uploads.beyond(seen, bounded))
    }
  }

  read(media: StoredMedia, range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#blobs.read(media.blob, media.chunks, range)
  }

  /** Whether a picture moves, by its first bytes. */
  async isMoving(media: StoredMedia): Promise<boolean> {
    const reader = this.read(media).getReader()
    try {
      const { value } = await reader.read()
      return value !== undefined && isAnimated(media.contentType, value)
    } finally {
      await reader.cancel()
    }
  }

  /** A line that nobody can put into a file beforehand. */
  newBoundary(): string {
    return `kith-${this.#newId()}`
  }

  async #store(
    uploader: UserId,
    mediaId: string,
    details: MediaDetails,
    body: ReadableStream<Uint8Array>,
    signal: AbortSignal,
  ): Promise<UploadOutcome> {
    const blob = new WritingBlob(this.#newId())
    const reservation = this.#quotas.reserve(
      uploader,
      limits.implementation.mediaPerUserBytesMax,
      limits.implementation.mediaPerUserFilesMax,
    )
    let kept = false
    try {
      const written = await this.#blobs.write(blob, body, (bytes) => reservation.grow(bytes), signal)
      if (written === 'refused') return { kind: reservation.isTooLarge ? 'too-large' : 'over-quota' }
      if (!(await reservation.admitsFile())) return { kind: 'over-quota' }
      const media: StoredMedia = {
        ...details,
        size: written.size,
        createdAt: this.#ports.clock.now(),
        blob: blob.id,
        chunks: blob.chunks,
        uploader,
      }
      await reservation.commit((batch) => {
        batch.put(mediaTables.files, [this.#serverName, mediaId, ''], media).delete(mediaTables.pending, [mediaId])
        this.#blobs.finish(batch, blob)
      })
      kept = true
      this.#uploads.growTo(this.#uploads.value + 1)
      return { kind: 'stored', mediaId, media }
    } finally {
      reservation.release()
      if (!kept) await this.#blobs.discard(blob)
    }
  }

  async #whyNotFill(uploader: UserId, mediaId: string): Promise<Exclude<FillOutcome, UploadOutcome> | undefined> {
    if ((await this.#ports.storage.get(mediaTables.files, [this.#serverName, mediaId, ''])) !== undefined) return { kind: 'filled-already' }
    const pending = await this.#pending(mediaId)
    if (pending === undefined) return { kind: 'unknown' }
    return pending.uploader === uploader ? undefined : { kind: 'of-another' }
  }

  async #pending(mediaId: string): Promise<PendingMedia | undefined> {
    const pending = await this.#ports.storage.get(mediaTables.pending, [mediaId])
    return pending !== undefined && pending.expiresAt > this.#ports.clock.now() ? pending : undefined
  }

  /** Ids that wait for their content. Removes those whose time is over, so that the table stays short. */
  async #livePending(): Promise<PendingMedia[]> {
    const live: PendingMedia[] = []
    const batch = new WriteBatch()
    const limit = limits.implementation.mediaPendingScannedMax
    for (const { key, value } of await this.#ports.storage.range(mediaTables.pending, { limit })) {
      if (value.expiresAt > this.#ports.clock.now()) live.push(value)
      else if (!this.#filling.has(key[0])) batch.delete(mediaTables.pending, key)
    }
    if (batch.writes.length > 0) await this.#ports.storage.commit(batch.writes)
    return live
  }

  #newId(): string {
    return encodeBase64Url(this.#ports.random.bytes(18))
  }
}
