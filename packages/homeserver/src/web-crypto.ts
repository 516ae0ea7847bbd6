import { decodeBase64Url } from '@kith/matrix-protocol'
import { limits } from './limits.ts'
import type { Crypto as CryptoPort } from './ports/crypto.ts'

/** DER of a PKCS#8 Ed25519 private key up to the seed itself (RFC 8410, section 7). */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20)
const PUBLIC_KEY_LENGTH = 32
const SIGNATURE_LENGTH = 64

/** The Crypto port on the platform's WebCrypto, for browsers and Node. `seed`: the 32 bytes of the node's Ed25519 private key. */
export async function createWebCrypto(seed: Uint8Array): Promise<CryptoPort> {
  const pkcs8 = new Uint8Array([...PKCS8_PREFIX, ...seed])
  const publicKey = await derivePublicKey(pkcs8)
  const signingKey = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign'])
  const verifyingKeys = new VerifyingKeys()
  return {
    publicKey,
    async sign(message) {
      return new Uint8Array(await crypto.subtle.sign('Ed25519', signingKey, message as Uint8Array<ArrayBuffer>))
    },
    async verify(key, signature, message) {
      if (key.length !== PUBLIC_KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false
      const verifyingKey = await verifyingKeys.import(key)
      if (verifyingKey === undefined) return false
      return crypto.subtle.verify('Ed25519', verifyingKey, signature as Uint8Array<ArrayBuffer>, message as Uint8Array<ArrayBuffer>)
    },
  }
}

async function derivePublicKey(pkcs8: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  // WebCrypto gives the public half of a private key only through an export, so this one import is extractable.
  const extractable = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign'])
  const { x } = await crypto.subtle.exportKey('jwk', extractable)
  const publicKey = x === undefined ? undefined : decodeBase64Url(x)
  if (publicKey === undefined) throw new Error('The platform returned an Ed25519 key without its public part')
  return new Uint8Array(publicKey)
}

/** Imported public keys, since importing costs about as much as verifying. Least recently used ones go first. */
class VerifyingKeys {
  readonly #keys = new Map<string, Promise<CryptoKey | undefined>>()

  async import(publicKey: Uint8Array): Promise<CryptoKey | undefined> {
    const name = String.fromCharCode(...publicKey)
    const known = this.#keys.get(name)
    this.#keys.delete(name)
    // A 32-byte string that is no point of the curve cannot be imported: nothing verifies under it.
    const key =
      known ?? crypto.subtle.importKey('raw', publicKey as Uint8Array<ArrayBuffer>, 'Ed25519', false, ['verify']).catch(() => undefined)
    this.#keys.set(name, key)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > limits.implementation.verifyingKeysMax && oldest !== undefined) this.#keys.delete(oldest)
    return key
  }
}
