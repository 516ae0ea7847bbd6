import { sha1 as nobleSha1 } from '@noble/hashes/legacy.js'
import { encodeUtf8 } from './utf8.ts'

/** Of the text's UTF-8, in hexadecimal. Only for an order that others compute too: nothing is kept safe by it. */
export function sha1Hex(text: string): string {
  return nobleSha1(encodeUtf8(text)).reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '')
}
