import type { Stream } from '@libp2p/interface'
import { BODY_BYTES_MAX, BODY_CHUNK_BYTES_MAX, BODY_STALLED_MS_MAX, BODY_WINDOW_BYTES } from '../limits.ts'
import type { StreamedBody } from './body.ts'
import { BodyTooLongError, encodeChunk, encodeHeader, NumberReader, type BodyRole } from './body-framing.ts'
import type { Activity } from './frame-channel.ts'
import { StreamLostError, StreamWriter } from './stream-writer.ts'

/**
 * Sends what the body gives and then closes the stream.
 * @throws StreamLostError when the stream is lost or the receiver wants no more, BodyTooLongError, the signal's reason, or what the body's source throws.
 */
export async function sendBody(
  stream: Stream,
  role: BodyRole,
  id: number,
  body: StreamedBody,
  signal: AbortSignal,
  activity: Activity,
): Promise<void> {
  const writer = new StreamWriter(stream)
  const grants = new Grants(stream, activity)
  const abort = (): void => stream.abort(new Error('The body is no longer wanted'))
  signal.addEventListener('abort', abort, { once: true })
  // A source that is slow to give its next piece must not keep the sender waiting for nobody.
  stream.addEventListener('close', () => body.cancel())
  let total = 0
  try {
    signal.throwIfAborted()
    await writer.write(encodeHeader(role, id))
    for await (const piece of body.source) {
      total += piece.byteLength
      if (total > BODY_BYTES_MAX) throw new BodyTooLongError('The body is too long')
      for (let at = 0; at < piece.byteLength; at += BODY_CHUNK_BYTES_MAX) {
        const chunk = piece.subarray(at, at + BODY_CHUNK_BYTES_MAX)
        await grants.take(chunk.byteLength)
        await writer.write(encodeChunk(chunk))
        activity.onSent(chunk.byteLength)
      }
    }
    await writer.write(encodeChunk(new Uint8Array()))
    await stream.close({ signal: AbortSignal.any([signal, AbortSignal.timeout(BODY_STALLED_MS_MAX)]) })
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error('The body failed'))
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** What the sender may still send. */
class Grants {
  #available = BODY_WINDOW_BYTES
  #changed = Promise.withResolvers<void>()
  #lost = false
  readonly #numbers = new NumberReader()

  constructor(stream: Stream, activity: Activity) {
    stream.addEventListener('message', (event) => {
      activity.onReceived()
      for (const granted of this.#numbers.push(event.data.subarray()))
        this.#available = Math.min(BODY_WINDOW_BYTES, this.#available + granted)
      this.#wake()
    })
    stream.addEventListener('close', () => {
      this.#lost = true
      this.#wake()
    })
  }

  async take(bytes: number): Promise<void> {
    while (this.#available < bytes && !this.#lost) await withStallTimeout(this.#changed.promise)
    if (this.#lost) throw new StreamLostError('The stream of a body was lost')
    this.#available -= bytes
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

async function withStallTimeout(progress: Promise<void>): Promise<void> {
  const stalled = Promise.withResolvers<never>()
  const timer = setTimeout(() => stalled.reject(new StreamLostError('The receiver of a body does not take it')), BODY_STALLED_MS_MAX)
  try {
    await Promise.race([progress, stalled.promise])
  } finally {
    clearTimeout(timer)
  }
}
