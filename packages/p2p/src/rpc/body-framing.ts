import { FrameError } from './frame.ts'

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
const ROLES = { request: 1, response: 2 } as const

/** A body is longer than BODY_BYTES_MAX. */
export class BodyTooLongError extends Error {
  override readonly name = 'BodyTooLongError'
}

export function encodeHeader(role: BodyRole, id: number): Uint8Array {
  const bytes = new Uint8Array(1 + NUMBER_BYTES)
  bytes[0] = ROLES[role]
  bytes.set(encodeNumber(id), 1)
  return bytes
}

export function encodeNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

/** An empty chunk is the end of the body. */
export function encodeChunk(chunk: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES + chunk.byteLength)
  bytes.set(encodeNumber(chunk.byteLength))
  bytes.set(chunk, NUMBER_BYTES)
  return bytes
}

export function parseRole(role: number): BodyRole {
  if (role === ROLES.request) return 'request'
  if (role === ROLES.response) return 'response'
  throw new FrameError('A body has an unknown role')
}

/** Reads u32 numbers out of any chunking. */
export class NumberReader {
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
