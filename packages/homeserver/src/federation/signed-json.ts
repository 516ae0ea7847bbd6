import {
  CanonicalJsonError,
  type JsonObject,
  publicKeyFromServerName,
  type ServerName,
  signatureOf,
  SIGNING_KEY_ID,
  signingBytes,
  withSignature,
} from '@kith/matrix-protocol'
import type { Crypto } from '../ports/crypto.ts'

/** @throws CanonicalJsonError for values that have no canonical form, such as fractions. */
export async function signJson(crypto: Crypto, server: ServerName, object: JsonObject): Promise<JsonObject> {
  const signature = await crypto.sign(signingBytes(object))
  return withSignature(object, server, SIGNING_KEY_ID, signature) as JsonObject
}

/** Whether the object bears a right signature of that server. The name is the key, so nothing is looked up. */
export async function isSignedBy(crypto: Crypto, server: ServerName, object: JsonObject): Promise<boolean> {
  const publicKey = publicKeyFromServerName(server)
  const signature = signatureOf(object, server, SIGNING_KEY_ID)
  if (publicKey === undefined || signature === undefined) return false
  try {
    return await crypto.verify(publicKey, signature, signingBytes(object))
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false
    throw error
  }
}
