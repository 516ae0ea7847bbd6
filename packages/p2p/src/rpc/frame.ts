import { unreachable } from '@kith/matrix-protocol'
import { FRAME_BYTES_MAX, HEAD_BYTES_MAX, INLINE_BODY_BYTES_MAX } from '../limits.ts'

/**
 * One frame of an RPC stream. On the wire, numbers big-endian:
 *
 *     length u32 (of all that follows)   type u8   id u32   [head length u32   head   body]
 *
 * `id` names an exchange, chosen by the one who asks; for pings it is a number to be sent back.
 */
export type Frame =
  | { readonly kind: 'request'; readonly id: number; readonly head: Uint8Array; readonly body: Uint8Array }
  | { readonly kind: 'response'; readonly id: number; readonly head: Uint8Array; readonly body: Uint8Array }
  /** From the asker: the answer is no longer wanted. From the answerer: there will be none. */
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'pong'; readonly id: number }
  /** From the answerer: ask no more on this connection, it will be closed. */
  | { readonly kind: 'go-away'; readonly id: number }

/** The peer broke the protocol; the stream is of no more use. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

const LENGTH_BYTES = 4
const PREFIX_BYTES = 5
const HEAD_LENGTH_BYTES = 4
const TYPES = { request: 1, response: 2, cancel: 3, ping: 4, pong: 5, 'go-away': 6 } as const

export const FRAME_ID_MAX = 0xffff_ffff

export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  switch (frame.kind) {
    case 'request':
    case 'response':
      return encodeMessage(frame.kind, frame.id, frame.head, frame.body)
    case 'cancel':
    case 'ping':
    case 'pong':
    case 'go-away': {
      const bytes = new Uint8Array(LENGTH_BYTES + PREFIX_BYTES)
      writePrefix(bytes, PREFIX_BYTES, frame.kind, frame.id)
      return bytes
    }
    default:
      return unreachable(frame)
  }
}

function encodeMessage(kind: 'request' | 'response', id: number, head: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  if (head.byteLength > HEAD_BYTES_MAX) throw new FrameError('The head is too long')
  if (body.byteLength > INLINE_BODY_BYTES_MAX) throw new FrameError('The body is too long for a frame')
  const length = PREFIX_BYTES + HEAD_LENGTH_BYTES + head.byteLength + body.byteLength
  const bytes = new Uint8Array(LENGTH_BYTES + length)
  writePrefix(bytes, length, kind, id)
  const headLengthAt = LENGTH_BYTES + PREFIX_BYTES
  new DataView(bytes.buffer).setUint32(headLengthAt, head.byteLength)
  bytes.set(head, headLengthAt + HEAD_LENGTH_BYTES)
  bytes.set(body, headLengthAt + HEAD_LENGTH_BYTES + head.byteLength)
  return bytes
}

function writePrefix(bytes: Uint8Array<ArrayBuffer>, length: number, kind: Frame['kind'], id: number): void {
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length)
  view.setUint8(LENGTH_BYTES, TYPES[kind])
  view.setUint32(LENGTH_BYTES + 1, id)
}

/**
 * Cuts a byte stream into frames, however it is chunked.
 *
 * Invariants:
 * 1. It holds at most one unfinished frame, so at most FRAME_BYTES_MAX bytes and the chunk just given.
 * 2. It throws nothing but FrameError, and after that always the same one.
 * 3. Frames never share memory with the chunks.
 */
export class FrameDecoder {
  #prefix = new Uint8Array(LENGTH_BYTES)
  #prefixFilled = 0
  #frame: Uint8Array | undefined
  #frameFilled = 0
  #failure: FrameError | undefined

  /** The frames that this chunk completes. @throws FrameError when the input is not a valid frame. */
  push(chunk: Uint8Array): Frame[] {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return this.#decode(chunk)
    } catch (error) {
      if (error instanceof FrameError) {
        this.#failure = error
        this.#frame = undefined
      }
      throw error
    }
  }

  #decode(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#frame === undefined) {
        at = this.#readLength(chunk, at)
        continue
      }
      const taken = Math.min(this.#frame.byteLength - this.#frameFilled, chunk.byteLength - at)
      this.#frame.set(chunk.subarray(at, at + taken), this.#frameFilled)
      this.#frameFilled += taken
      at += taken
      if (this.#frameFilled === this.#frame.byteLength) {
        frames.push(parseFrame(this.#frame))
        this.#frame = undefined
      }
    }
    return frames
  }

  #readLength(chunk: Uint8Array, from: number): number {
    let at = from
    while (this.#prefixFilled < LENGTH_BYTES && at < chunk.byteLength) this.#prefix[this.#prefixFilled++] = chunk[at++] ?? 0
    if (this.#prefixFilled === LENGTH_BYTES) {
      const length = new DataView(this.#prefix.buffer).getUint32(0)
      if (length < PREFIX_BYTES || length > FRAME_BYTES_MAX) throw new FrameError('A frame has an impossible length')
      this.#frame = new Uint8Array(length)
      this.#frameFilled = 0
      this.#prefixFilled = 0
    }
    return at
  }
}

function parseFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const type = view.getUint8(0)
  const id = view.getUint32(1)
  switch (type) {
    case TYPES.request:
      return { kind: 'request', id, ...parseMessage(bytes, view) }
    case TYPES.response:
      return { kind: 'response', id, ...parseMessage(bytes, view) }
    case TYPES.cancel:
      return { kind: 'cancel', id: emptyFrame(bytes, id) }
    case TYPES.ping:
      return { kind: 'ping', id: emptyFrame(bytes, id) }
    case TYPES.pong:
      return { kind: 'pong', id: emptyFrame(bytes, id) }
    case TYPES['go-away']:
      return { kind: 'go-away', id: emptyFrame(bytes, id) }
    default:
      throw new FrameError('A frame has an unknown type')
  }
}

function parseMessage(bytes: Uint8Array, view: DataView): { head: Uint8Array; body: Uint8Array } {
  const headAt = PREFIX_BYTES + HEAD_LENGTH_BYTES
  if (bytes.byteLength < headAt) throw new FrameError('A message has no head')
  const headLength = view.getUint32(PREFIX_BYTES)
  if (headLength > HEAD_BYTES_MAX || headLength > bytes.byteLength - headAt) throw new FrameError('A head has an impossible length')
  if (bytes.byteLength - headAt - headLength > INLINE_BODY_BYTES_MAX) throw new FrameError('A body is too long for a frame')
  return { head: bytes.subarray(headAt, headAt + headLength), body: bytes.subarray(headAt + headLength) }
}

function emptyFrame(bytes: Uint8Array, id: number): number {
  if (bytes.byteLength !== PREFIX_BYTES) throw new FrameError('A frame without content has content')
  return id
}
