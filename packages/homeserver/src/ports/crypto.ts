/**
 * Ed25519 with this node's key, and verification of anyone's.
 * Hashing is not here: matrix-protocol hashes synchronously, which is faster than asking an engine.
 */
export interface Crypto {
  /** The 32 bytes of this node's public key; the server name is derived from it. */
  readonly publicKey: Uint8Array<ArrayBuffer>
  sign(message: Uint8Array): Promise<Uint8Array<ArrayBuffer>>
  /** False for a wrong signature and for keys or signatures of a wrong shape; never throws on input. */
  verify(publicKey: Uint8Array, signature: Uint8Array, message: Uint8Array): Promise<boolean>
}
