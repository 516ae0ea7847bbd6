import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'

/** Synchronous, because it is faster than asking the platform for inputs of the size of an event. */
export function sha256(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nobleSha256(bytes))
}
