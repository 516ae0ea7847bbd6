import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { BODY_BYTES_MAX, BODY_CHUNK_BYTES_MAX, BODY_GRANT_BYTES, BODY_STALLED_MS_MAX, BODY_WINDOW_BYTES } from '../limits.ts'
import type { Activity } from './frame-channel.ts'
import { FrameError } from './frame.ts'
import { StreamLostError, StreamWriter } from './stream-writer.ts'

/**
 * A long body on a libp2p stream of its own. The sender opens it and writes, numbers big-endian:
 *
 *     role u8 (1: body of the request, 2: of the response)   id u32   { chunk length u32   chunk }   0 u32
 *
 * The receiver writes back `u32` numbers: bytes that it has consumed. At most BODY_WINDOW_BYTES are unconsumed, because a libp2p
 * stream over WebRTC has no backpressure of its own and is reset when its reader pauses for long.
 */
export type BodyRole = 'request' | 'response'

const NUMBER_BYTES = 4
const HEADER_BYTES = 1 + NUMBER_BYTES
const ROLES = { request: 1, response: 2 } as const

/** A body is longer than BODY_BYTES_MAX. */
export class BodyTooLongError extends Error {
  override readonly name = 'BodyTooLongError'
}

/**
 * Sends what `source` gives and then closes the stream.
 * @throws StreamLostError when the stream is lost or the receiver wants no more, BodyTooLongError, the signal's reason, or what `source` throws.
 */
export async function sendBody(stream: Stream, role: BodyRole, id: number, source: AsyncIterable<Uint8Array>, signal: AbortSignal, activity: Activity): Promise<void> {
  const writer = new StreamWriter(stream)
  const grants = new Grants(stream, activity)
  const abort = (): void => stream.abort(new Error('The body is no longer wanted'))
  signal.addEventListener('abort', abort, { once: true })
  let total = 0
  try {
    signal.throwIfAborted()
    await writer.write(encodeHeader(role, id))
    for await (const piece of source) {
      total += piece.byteLength
      if (total > BODY_BYTES_MAX) throw new BodyTooLongError('The body is too long')
      for (let at = 0; at < piece.byteLength; at += BODY_CHUNK_BYTES_MAX) {
        const chunk = piece.subarray(at, at + BODY_CHUNK_BYTES_MAX)
        await grants.take(chunk.byteLength)
        await writer.write(encodeChunk(chunk))
        activity.onSent(chunk.byteLength)
      }
    }
    await writer.write(new Uint8Array(NUMBER_BYTES))
    await stream.close({ signal: AbortSignal.any([signal, AbortSignal.timeout(BODY_STALLED_MS_MAX)]) })
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error('The body failed'))
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function encodeHeader(role: BodyRole, id: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  bytes[0] = ROLES[role]
  new DataView(bytes.buffer).setUint32(1, id)
  return bytes
}

function encodeChunk(chunk: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES + chunk.byteLength)
  new DataView(bytes.buffer).setUint32(0, chunk.byteLength)
  bytes.set(chunk, NUMBER_BYTES)
  return bytes
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
      for (const granted of this.#numbers.push(event.data.subarray())) this.#available = Math.min(BODY_WINDOW_BYTES, this.#available + granted)
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

/** Reads u32 numbers out of any chunking. */
class NumberReader {
  #value = 0
  #filled = 0

  push(bytes: Uint8Array): number[] {
    const numbers: number[] = []
    for (const byte of bytes) {
      const number = this.pushByte(byte)
      if (number !== undefined) numbers.push(number)
    }
    return numbers
  }

  pushByte(byte: number): number | undefined {
    this.#value = this.#value * 256 + byte
    if (++this.#filled < NUMBER_BYTES) return undefined
    const value = this.#value
    this.#value = 0
    this.#filled = 0
    return value
  }
}

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
    const bytes = new Uint8Array(NUMBER_BYTES)
    new DataView(bytes.buffer).setUint32(0, this.#ungranted)
    this.#ungranted = 0
    try {
      this.#stream.send(bytes)
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

function parseRole(role: number): BodyRole {
  if (role === ROLES.request) return 'request'
  if (role === ROLES.response) return 'response'
  throw new FrameError('A body has an unknown role')
}
