import type { ServerName } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Thumbnail, Thumbnailer, ThumbnailerOutcome } from '../ports/thumbnailer.ts'
import { mediaDetails } from './media-details.ts'
import type { CachedFile, RemoteCache } from './remote-cache.ts'
import { streamOf } from './stream-of.ts'
import type { MediaKey } from './tables.ts'
import { mayBecomeThumbnail, type ThumbnailWish, usualThumbnail } from './thumbnails.ts'

interface Unreadable {
  readonly kind: 'unreadable'
}

export type MadeThumbnailOutcome =
  | { readonly kind: 'made'; readonly file: CachedFile }
  | { readonly kind: 'undecodable' }
  | { readonly kind: 'too-large' }
  /** Its file did not come whole. */
  | Unreadable
  /** Too many others are being made. */
  | { readonly kind: 'busy' }

/** What a thumbnail is made of. */
export type ThumbnailSource = Pick<CachedFile, 'details' | 'size' | 'body'>

interface MadeThumbnailsParts {
  readonly thumbnailer: Thumbnailer
  readonly cache: RemoteCache
  readonly clock: Clock
}

/** The variant that such a thumbnail has among the files of its picture. */
function variantOf({ width, height, method, animated }: ThumbnailWish): string {
  return `made ${width}x${height} ${method}${animated === true ? ' animated' : ''}`
}

/**
 * Thumbnails made here, of the usual sizes, kept like files of other servers: what nobody wants goes first.
 *
 * Invariants:
 * 1. One is made at a time, and each once, however many ask for it; the rest is read from the cache.
 * 2. Memory holds at most one picture, in its file's form and decoded, within the bounds of `limits`.
 */
export class MadeThumbnails {
  readonly #parts: MadeThumbnailsParts
  readonly #makes = new KeyedQueue<'makes'>()
  #waiting = 0
  readonly #underWay = new Map<string, Promise<MadeThumbnailOutcome>>()
  /** Pictures of which none can be made, the longest unasked first. */
  readonly #refusals = new Map<string, Exclude<MadeThumbnailOutcome, { kind: 'made' }>>()

  constructor(parts: MadeThumbnailsParts) {
    this.#parts = parts
  }

  /** The thumbnail of the file. It is made to the end when the caller goes away: others will want it. @throws broken storage. */
  async get(server: ServerName, mediaId: string, source: ThumbnailSource, wish: ThumbnailWish): Promise<MadeThumbnailOutcome> {
    if (!mayBecomeThumbnail(source.details.contentType)) return { kind: 'undecodable' }
    const usual = usualThumbnail(wish)
    const key = [server, mediaId, variantOf(usual)] as const
    const name = JSON.stringify(key)
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) return underWay
    const made = this.#find(name, key, source, usual).finally(() => this.#underWay.delete(name))
    this.#underWay.set(name, made)
    return made
  }

  async #find(name: string, key: MediaKey, source: ThumbnailSource, wish: ThumbnailWish): Promise<MadeThumbnailOutcome> {
    const cached = await this.#parts.cache.get(key)
    if (cached !== undefined) return { kind: 'made', file: cached }
    const refusal = this.#refusals.get(name)
    if (refusal !== undefined) return refusal
    if (this.#waiting >= limits.implementation.thumbnailsWaitingMax) return { kind: 'busy' }
    this.#waiting++
    const made = await this.#makes.run('makes', async () => this.#make(source, wish)).finally(() => this.#waiting--)
    if (made.kind === 'made') return { kind: 'made', file: await this.#keep(key, made.thumbnail) }
    if (made.kind !== 'unreadable') this.#remember(name, made)
    return made
  }

  async #make(
    source: ThumbnailSource,
    { width, height, method, animated = false }: ThumbnailWish,
  ): Promise<ThumbnailerOutcome | Unreadable> {
    const { thumbnailSourceBytesMax, thumbnailPixelsMax, thumbnailMakeMs, thumbnailBytesMax } = limits.implementation
    if ((source.size ?? 0) > thumbnailSourceBytesMax) return { kind: 'too-large' }
    const picture = await readWhole(source.body(), thumbnailSourceBytesMax).catch(() => 'broken' as const)
    if (picture === 'broken') return { kind: 'unreadable' }
    if (picture === undefined) return { kind: 'too-large' }
    const ended = new AbortController()
    const order = { pixelsMax: thumbnailPixelsMax, durationMsMax: thumbnailMakeMs, width, height, method, animated }
    try {
      // The engine minds the time itself; one that hangs must not hold up the others for ever.
      const late = this.#parts.clock.sleep(2 * thumbnailMakeMs, ended.signal).then(() => ({ kind: 'too-large' }) as const)
      const made = await Promise.race([this.#parts.thumbnailer.make(picture, order, ended.signal), late])
      return made.kind === 'made' && made.thumbnail.bytes.byteLength > thumbnailBytesMax ? { kind: 'too-large' } : made
    } finally {
      ended.abort()
    }
  }

  /** A thumbnail that there is no room for is shown all the same. */
  async #keep(key: MediaKey, { contentType, bytes }: Thumbnail): Promise<CachedFile> {
    const details = mediaDetails(contentType, `thumbnail.${contentType.slice('image/'.length)}`)
    const { stored } = this.#parts.cache.put(key, details, streamOf(bytes), new AbortController().signal)
    await stored.catch(() => undefined)
    return { details, size: bytes.byteLength, tag: undefined, body: (range) => streamOf(bytes.subarray(range?.start, range?.end)) }
  }

  #remember(name: string, refusal: Exclude<MadeThumbnailOutcome, { kind: 'made' }>): void {
    this.#refusals.set(name, refusal)
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size > limits.implementation.thumbnailRefusalsMax && oldest !== undefined) this.#refusals.delete(oldest)
  }
}

/** Undefined when it is longer than that. */
async function readWhole(body: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    chunks.push(value)
    if (size <= bytesMax) continue
    await reader.cancel()
    return undefined
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
