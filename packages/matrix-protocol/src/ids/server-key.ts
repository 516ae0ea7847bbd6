import { base36 } from 'multiformats/bases/base36'
import type { ServerName } from './ids.ts'

const KEY_LENGTH = 32
/**
 * What stands before the key in the bytes of a server name: CID version 1, codec libp2p-key, identity multihash of 36 bytes,
 * and in it the protobuf {1: key type Ed25519, 2: the key}.
 */
const PREFIX = Uint8Array.of(0x01, 0x72, 0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const NAME = /^k51[0-9a-z]{59}$/

/** The name of the server that holds this Ed25519 key: `k51…`, 62 characters. */
export function serverNameFromPublicKey(key: Uint8Array): ServerName {
  if (key.length !== KEY_LENGTH) throw new RangeError('An Ed25519 public key has 32 bytes')
  const bytes = new Uint8Array(PREFIX.length + KEY_LENGTH)
  bytes.set(PREFIX)
  bytes.set(key, PREFIX.length)
  return base36.encode(bytes) as ServerName
}

/** The key that the name is made of; undefined for a name of another kind, such as a domain. */
export function publicKeyFromServerName(name: ServerName): Uint8Array<ArrayBuffer> | undefined {
  if (!NAME.test(name)) return undefined
  const bytes = base36.decode(name)
  if (bytes.length !== PREFIX.length + KEY_LENGTH || PREFIX.some((byte, index) => bytes[index] !== byte)) return undefined
  return new Uint8Array(bytes.subarray(PREFIX.length))
}
