import { ed25519 } from '@noble/curves/ed25519.js'

/**
 * Whether the signature is right. Strict as in RFC 8032, like the libraries of other servers: resolved state depends on the answer.
 * Keys and signatures that are malformed verify nothing.
 * @see https://spec.matrix.org/latest/appendices/#signing-details
 */
export function verifyEd25519(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false })
  } catch {
    // The key is no point of the curve.
    return false
  }
}
