import { type Storage, WriteBatch } from '../ports/storage.ts'
import { limits } from '../limits.ts'
import { WatchedNumber } from '../watched-number.ts'
import type { ByteRange } from './byte-range.ts'
import { mediaTables } from './tables.ts'

/** A blob's end: it is whole, or it never will be. */
type BlobEnd = 'whole' | 'broken'

/** The bytes of a blob ended before their time. */
class BrokenBlobError extends Error {
  override readonly name = 'BrokenBlobError'
}

/** A blob on its way into storage; others may read it meanwhile. */
export class WritingBlob {
  readonly id: string
  /** Grows with every chunk that is stored, and once more at the end. */
  readonly progress = new WatchedNumber(0)
  #chunks = 0
  #end: BlobEnd | undefined

  constructor(id: string) {
    this.id = id
  }

  get chunks(): number {
    return this.#chunks
  }

  get end(): BlobEnd | undefined {
    return this.#end
  }

  chunkStored(): void {
    this.#chunks++
    this.progress.growTo(this.progress.value + 1)
  }

  ended(end: BlobEnd): void {
    this.#end ??= end
    this.progress.growTo(this.progress.value + 1)
  }
}

/**
 * Bytes in chunks of one size, each a row, so that neither side ever holds a whole file in memory.
 *
 * Invariants:
 * 1. A blob being written has a row in `writing` from before its first chunk until the commit that names it, so that a crash leaves nothing behind.
 * 2. A blob that somebody reads is not deleted.
 */
export class BlobStore {
  readonly #storage: Storage
  readonly #readers = new Map<string, number>()

  private constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Removes what a crash left half written. */
  static async open(storage: Storage): Promise<BlobStore> {
    const store = new BlobStore(storage)
    for (;;) {
      const [left] = await storage.range(mediaTables.writing, { limit: 1 })
      if (left === undefined) return store
      await store.#discard(left.key[0])
    }
  }

  /**
   * Stores the body as the blob. `admit` is asked about every chunk before it is stored.
   * The blob stays provisional until `finish` is part of a commit; whatever else comes of it, `discard` it.
   * @returns false when `admit` refused.
   * @throws what the body, the storage or the signal throws.
   */
  async write(
    blob: WritingBlob,
    body: ReadableStream<Uint8Array>,
    admit: (bytes: number) => boolean | Promise<boolean>,
    signal: AbortSignal,
  ): Promise<{ readonly size: number } | 'refused'> {
    await this.#storage.commit(new WriteBatch().put(mediaTables.writing, [blob.id], true).writes)
    let size = 0
    for await (const chunk of chunksOf(body, signal)) {
      if (!(await admit(chunk.byteLength))) return 'refused'
      signal.throwIfAborted()
      await this.#storage.commit(new WriteBatch().put(mediaTables.chunks, [blob.id, blob.chunks], chunk).writes)
      size += chunk.byteLength
      blob.chunkStored()
    }
    return { size }
  }

  /** To be part of the commit that names the blob. */
  finish(batch: WriteBatch, blob: WritingBlob): void {
    batch.delete(mediaTables.writing, [blob.id])
  }

  async discard(blob: WritingBlob): Promise<void> {
    blob.ended('broken')
    await this.#discard(blob.id)
  }

  isRead(blob: string): boolean {
    return this.#readers.has(blob)
  }

  /** To be part of the commit that forgets the blob. */
  delete(batch: WriteBatch, blob: string, chunks: number): void {
    for (let index = 0; index < chunks; index++) batch.delete(mediaTables.chunks, [blob, index])
  }

  /** The bytes of a stored blob, or a range of them, one chunk in memory at a time. */
  read(blob: string, chunks: number, range?: ByteRange): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream(blob, async (index) => index < chunks, range)
  }

  /** The bytes of a blob as they come. Errors when it does not become whole. */
  follow(blob: WritingBlob): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream(blob.id, async (index, signal) => {
      while (index >= blob.chunks) {
        if (blob.end === 'whole') return false
        if (blob.end === 'broken') throw new BrokenBlobError('The file did not come whole')
        await blob.progress.beyond(blob.progress.value, signal)
      }
      return true
    })
  }

  #stream(
    blob: string,
    has: (index: number, signal: AbortSignal) => Promise<boolean>,
    { start, end }: ByteRange = { start: 0, end: Number.MAX_SAFE_INTEGER },
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { mediaChunkBytes } = limits.implementation
    const cancelled = new AbortController()
    let index = Math.floor(start / mediaChunkBytes)
    let released = false
    this.#readers.set(blob, (this.#readers.get(blob) ?? 0) + 1)
    const release = (): void => {
      if (released) return
      released = true
      const others = (this.#readers.get(blob) ?? 1) - 1
      if (others > 0) this.#readers.set(blob, others)
      else this.#readers.delete(blob)
    }
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          try {
            const at = index * mediaChunkBytes
            if (at >= end || !(await has(index, cancelled.signal))) {
              release()
              controller.close()
              return
            }
            const chunk = await this.#storage.get(mediaTables.chunks, [blob, index++])
            if (chunk === undefined) throw new BrokenBlobError('A part of the file is gone')
            // A copy: whoever reads may transfer it, and what storage answers must stay as it is.
            controller.enqueue(new Uint8Array(chunk.subarray(Math.max(0, start - at), end - at)))
          } catch (error) {
            release()
            throw error
          }
        },
        cancel: (reason) => {
          release()
          cancelled.abort(reason ?? new DOMException('Nobody reads the file any more', 'AbortError'))
        },
      },
      { highWaterMark: 0 },
    )
  }

  async #discard(blob: string): Promise<void> {
    for (;;) {
      const rows = await this.#storage.range(mediaTables.chunks, { prefix: [blob], limit: limits.implementation.mediaChunksPerCommitMax })
      const batch = new WriteBatch()
      for (const { key } of rows) batch.delete(mediaTables.chunks, key)
      if (rows.length === 0) batch.delete(mediaTables.writing, [blob])
      await this.#storage.commit(batch.writes)
      if (rows.length === 0) return
    }
  }
}

/** The body cut into chunks of the size of a row; the last is shorter. */
async function* chunksOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { mediaChunkBytes } = limits.implementation
  const reader = body.getReader()
  const onAbort = (): void => void reader.cancel(signal.reason).catch(() => undefined)
  signal.addEventListener('abort', onAbort, { once: true })
  let chunk = new Uint8Array(mediaChunkBytes)
  let filled = 0
  let whole = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) break
      for (let at = 0; at < value.byteLength;) {
        const taken = value.subarray(at, at + mediaChunkBytes - filled)
        chunk.set(taken, filled)
        at += taken.byteLength
        filled += taken.byteLength
        if (filled < mediaChunkBytes) continue
        yield chunk
        chunk = new Uint8Array(mediaChunkBytes)
        filled = 0
      }
    }
    whole = true
    if (filled > 0) yield chunk.slice(0, filled)
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (!whole) await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}
