import { publicKeyFromServerName, serverNameFromPublicKey, type ServerName } from '@kith/matrix-protocol'
import type { Random } from '@kith/homeserver/ports'
import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey, PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ed25519 } from '@noble/curves/ed25519.js'

export const SEED_BYTES = 32

/** Who a node is. Everything follows from the seed, which never leaves the device unless its owner exports it. */
export interface NodeIdentity {
  /** The 32 bytes of the Ed25519 private key (RFC 8032). */
  readonly seed: Uint8Array<ArrayBuffer>
  readonly publicKey: Uint8Array<ArrayBuffer>
  readonly serverName: ServerName
  /** The same key in libp2p's notation (`12D3KooW…`), as it stands in multiaddrs after `/p2p/`. */
  readonly peerId: string
}

export function createIdentity(random: Random): NodeIdentity {
  return identityFromSeed(random.bytes(SEED_BYTES))
}

/** @throws RangeError when the seed has not exactly 32 bytes. */
export function identityFromSeed(seed: Uint8Array): NodeIdentity {
  if (seed.byteLength !== SEED_BYTES) throw new RangeError(`A seed has ${SEED_BYTES} bytes, not ${seed.byteLength}`)
  const publicKey = Uint8Array.from(ed25519.getPublicKey(seed))
  return {
    seed: Uint8Array.from(seed),
    publicKey,
    serverName: serverNameFromPublicKey(publicKey),
    peerId: peerIdFromPublicKey(publicKeyFromRaw(publicKey)).toString(),
  }
}

export function libp2pKeyOf(identity: NodeIdentity): Ed25519PrivateKey {
  const raw = new Uint8Array(SEED_BYTES * 2)
  raw.set(identity.seed)
  raw.set(identity.publicKey, SEED_BYTES)
  const key = privateKeyFromRaw(raw)
  if (key.type !== 'Ed25519') throw new Error(`Expected an Ed25519 key, not ${key.type}`)
  return key
}

/** Undefined when the name is not a key: such a server is not reached over libp2p. */
export function peerIdFromServerName(server: ServerName): PeerId | undefined {
  const publicKey = publicKeyFromServerName(server)
  return publicKey === undefined ? undefined : peerIdFromPublicKey(publicKeyFromRaw(publicKey))
}

/** Undefined for keys of other kinds than Ed25519: no Matrix server can have them as its name. */
export function serverNameFromPeerId(peerId: PeerId): ServerName | undefined {
  return peerId.type === 'Ed25519' ? serverNameFromPublicKey(peerId.publicKey.raw) : undefined
}
