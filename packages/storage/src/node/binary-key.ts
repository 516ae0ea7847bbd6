import type { Key, KeyPart } from '@kith/homeserver/ports'

/*
 * Keys as bytes whose plain byte order is the key order of the storage port.
 *   number: 0x01, then 7 bytes, big endian
 *   string: 0x02, then each UTF-16 code unit as 1 to 3 bytes in the manner of UTF-8 (surrogates one by one, which keeps the order of
 *           code units that real UTF-8 would not), then 0x00. The units 0 and 1 become 01 01 and 01 02, so that 00 only ever ends.
 * A tuple is the concatenation of its parts, so a shorter tuple is a byte prefix of its extensions and comes before them.
 */
const NUMBER_TAG = 0x01
const STRING_TAG = 0x02
const STRING_END = 0x00
const ESCAPE = 0x01
/** Greater than every tag: `prefix + ABOVE_ALL` comes after every key that begins with the prefix. */
const ABOVE_ALL = 0xff

export function encodeKey(key: Key): Uint8Array<ArrayBuffer> {
  return encodeParts(key, 0)
}

/** The least byte string after every key that begins with `prefix`. */
export function encodePrefixEnd(prefix: Key): Uint8Array<ArrayBuffer> {
  const encoded = encodeParts(prefix, 1)
  encoded[encoded.length - 1] = ABOVE_ALL
  return encoded
}

export function decodeKey(bytes: Uint8Array): Key {
  const key: KeyPart[] = []
  let offset = 0
  while (offset < bytes.length) {
    const [part, next] = bytes[offset] === NUMBER_TAG ? decodeNumber(bytes, offset + 1) : decodeString(bytes, offset + 1)
    key.push(part)
    offset = next
  }
  return key
}

function encodeParts(key: Key, spare: number): Uint8Array<ArrayBuffer> {
  let lengthMax = spare
  for (const part of key) lengthMax += typeof part === 'number' ? 8 : 2 + part.length * 3
  const bytes = new Uint8Array(lengthMax)
  let offset = 0
  for (const part of key) offset = typeof part === 'number' ? encodeNumber(bytes, offset, part) : encodeString(bytes, offset, part)
  return bytes.subarray(0, offset + spare)
}

function encodeNumber(bytes: Uint8Array, start: number, value: number): number {
  bytes[start] = NUMBER_TAG
  let rest = value
  for (let offset = start + 7; offset > start; offset--) {
    bytes[offset] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return start + 8
}

function encodeString(bytes: Uint8Array, start: number, value: string): number {
  let offset = start
  bytes[offset++] = STRING_TAG
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index)
    if (unit <= 1) {
      bytes[offset++] = ESCAPE
      bytes[offset++] = unit + 1
    } else if (unit < 0x80) bytes[offset++] = unit
    else if (unit < 0x800) {
      bytes[offset++] = 0xc0 | (unit >> 6)
      bytes[offset++] = 0x80 | (unit & 0x3f)
    } else {
      bytes[offset++] = 0xe0 | (unit >> 12)
      bytes[offset++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[offset++] = 0x80 | (unit & 0x3f)
    }
  }
  bytes[offset++] = STRING_END
  return offset
}

function decodeNumber(bytes: Uint8Array, start: number): [value: number, next: number] {
  let value = 0
  for (let offset = start; offset < start + 7; offset++) value = value * 256 + byteAt(bytes, offset)
  return [value, start + 7]
}

function decodeString(bytes: Uint8Array, start: number): [value: string, next: number] {
  let value = ''
  let offset = start
  for (let byte = byteAt(bytes, offset); byte !== STRING_END; byte = byteAt(bytes, offset)) {
    if (byte === ESCAPE) {
      value += String.fromCharCode(byteAt(bytes, offset + 1) - 1)
      offset += 2
    } else if (byte < 0x80) {
      value += String.fromCharCode(byte)
      offset += 1
    } else if (byte < 0xe0) {
      value += String.fromCharCode(((byte & 0x1f) << 6) | (byteAt(bytes, offset + 1) & 0x3f))
      offset += 2
    } else {
      value += String.fromCharCode(((byte & 0x0f) << 12) | ((byteAt(bytes, offset + 1) & 0x3f) << 6) | (byteAt(bytes, offset + 2) & 0x3f))
      offset += 3
    }
  }
  return [value, offset + 1]
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset]
  if (byte === undefined) throw new RangeError('a stored key ends too early')
  return byte
}
