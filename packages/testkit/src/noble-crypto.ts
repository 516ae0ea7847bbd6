import type { Crypto } from '@kith/homeserver/ports'
import { ed25519 } from '@noble/curves/ed25519.js'

/** The crypto port without any waiting of its own, so that a simulated run repeats exactly. `seed`: 32 bytes. */
export function createNobleCrypto(seed: Uint8Array): Crypto {
  const publicKey = new Uint8Array(ed25519.getPublicKey(seed))
  return {
    publicKey,
    async sign(message) {
      return new Uint8Array(ed25519.sign(message, seed))
    },
    async verify(key, signature, message) {
      try {
        return ed25519.verify(signature, message, key)
      } catch {
        // Keys and signatures of a wrong shape.
        return false
      }
    },
  }
}
