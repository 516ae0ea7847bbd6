import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { BODY_BYTES_MAX, BODY_CHUNK_BYTES_MAX, BODY_GRANT_BYTES, BODY_STALLED_MS_MAX, BODY_WINDOW_BYTES } from '../limits.ts'
import { BodyTooLongError, encodeNumber, NumberReader, parseRole, type BodyRole } from './body-framing.ts'
import type { Activity } from './frame-channel.ts'
import { FrameError } from './frame.ts'
import { StreamLostError } from './stream-writer.ts'

/**
 * The receiving end. `header` resolves first; then `body` gives the bytes, errors when the stream ends early, and resets the stream when cancelled.
 */
export class BodyReceiver {
  readonly header: Promise<{ readonly role: BodyRole; readonly id: number }>
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>
  /** Resolves when no more bytes will come, for whatever reason. */
  readonly ended: Promise<void>
  readonly #ended = Promise.withResolvers<void>()
  readonly #stream: Stream
  readonly #header = Promise.withResolvers<{ readonly role: BodyRole; readonly id: number }>()
  readonly #numbers = new NumberReader()
  readonly #activity: Activity
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined
  #role: number | undefined
  #headerRead = false
  #chunkLeft = 0
  #total = 0
  #unconsumed = 0
  #ungranted = 0
  #done = false
  #movedSinceCheck = true
  readonly #watchdog: ReturnType<typeof setInterval>

  constructor(stream: Stream, activity: Activity) {
    this.#stream = stream
    this.#activity = activity
    this.#watchdog = setInterval(() => this.#checkProgress(), BODY_STALLED_MS_MAX)
    this.ended = this.#ended.promise
    this.header = this.#header.promise
    this.header.catch(() => {})
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: (controller) => this.#grant(controller),
        cancel: () => this.abort(new Error('The body is no longer wanted')),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BODY_WINDOW_BYTES }),
    )
    stream.addEventListener('message', (event) => this.#onMessage(event))
    stream.addEventListener('close', () => this.#fail(new StreamLostError('The stream of a body was lost')))
    stream.addEventListener('remoteCloseWrite', () => this.#fail(new StreamLostError('A body ended early')))
    // What happened before this object listened is not reported again; buffered bytes are delivered in a microtask.
    setTimeout(() => {
      if (stream.remoteWriteStatus === 'closed') this.#fail(new StreamLostError('A body ended early'))
    }, 0)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  #onMessage(event: StreamMessageEvent): void {
    if (this.#done) return
    this.#activity.onReceived()
    this.#movedSinceCheck = true
    try {
      this.#read(event.data.subarray())
    } catch (error) {
      if (!(error instanceof FrameError || error instanceof BodyTooLongError)) throw error
      this.abort(error)
    }
  }

  #read(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.byteLength && !this.#done) {
      if (this.#chunkLeft > 0) {
        const piece = new Uint8Array(bytes.subarray(at, at + this.#chunkLeft))
        at += piece.byteLength
        this.#chunkLeft -= piece.byteLength
        this.#accept(piece)
      } else {
        this.#readNumber(bytes[at++] ?? 0)
      }
    }
  }

  #readNumber(byte: number): void {
    if (this.#role === undefined) {
      this.#role = byte
      return
    }
    const number = this.#numbers.pushByte(byte)
    if (number === undefined) return
    if (!this.#headerRead) {
      this.#headerRead = true
      this.#header.resolve({ role: parseRole(this.#role), id: number })
    } else if (number === 0) {
      this.#finish()
    } else {
      if (number > BODY_CHUNK_BYTES_MAX) throw new FrameError('A chunk is too long')
      this.#chunkLeft = number
    }
  }

  #accept(piece: Uint8Array<ArrayBuffer>): void {
    this.#total += piece.byteLength
    if (this.#total > BODY_BYTES_MAX) throw new BodyTooLongError('The body is too long')
    this.#unconsumed += piece.byteLength
    if (this.#unconsumed > BODY_WINDOW_BYTES) throw new FrameError('A sender ignores the window of a body')
    this.#controller?.enqueue(piece)
  }

  /** The queue has room: what left it was consumed and may be sent anew. */
  #grant(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void {
    const queued = BODY_WINDOW_BYTES - (controller.desiredSize ?? 0)
    this.#ungranted += this.#unconsumed - queued
    this.#unconsumed = queued
    if (this.#ungranted < BODY_GRANT_BYTES || this.#done || this.#stream.status !== 'open') return
    const granted = encodeNumber(this.#ungranted)
    this.#ungranted = 0
    try {
      this.#stream.send(granted)
    } catch {
      // The closing of the stream is reported by its event.
    }
  }

  /** Gives up on a sender that holds the stream open and sends nothing; a slow reader on this side may take its time. */
  #checkProgress(): void {
    if (!this.#movedSinceCheck && this.#unconsumed === 0) this.abort(new StreamLostError('The sender of a body sends nothing'))
    this.#movedSinceCheck = false
  }

  #finish(): void {
    this.#done = true
    clearInterval(this.#watchdog)
    this.#ended.resolve()
    this.#controller?.close()
    this.#stream.close({ signal: AbortSignal.timeout(BODY_STALLED_MS_MAX) }).catch((error: unknown) => {
      this.#stream.abort(error instanceof Error ? error : new Error('The stream could not be closed'))
    })
  }

  #fail(error: Error): void {
    if (this.#done) return
    this.#done = true
    clearInterval(this.#watchdog)
    this.#ended.resolve()
    this.#header.reject(error)
    this.#controller?.error(error)
  }
}
