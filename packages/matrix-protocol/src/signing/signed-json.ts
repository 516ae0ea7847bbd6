import { decodeBase64, encodeBase64 } from '../bytes/base64.ts'
import type { ServerName } from '../ids/ids.ts'
import { canonicalJsonBytes } from '../json/canonical-json.ts'
import { type JsonObject, ownObject, ownString } from '../json/json-value.ts'

/** Signatures by server name, then key id, in unpadded base64. */
export type Signatures = Readonly<Record<string, Readonly<Record<string, string>>>>

/**
 * The bytes that a signature of the object covers: its canonical JSON without `signatures` and `unsigned`.
 * @param encode for events of rooms with numbers that canonical JSON does not know.
 * @see https://spec.matrix.org/latest/appendices/#signing-json
 * @throws CanonicalJsonError
 */
export function signingBytes(object: object, encode = canonicalJsonBytes): Uint8Array<ArrayBuffer> {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object as JsonObject
  return encode(signed)
}

/**
 * The object with one more signature; signatures that it already has are kept.
 * @see https://spec.matrix.org/latest/appendices/#signing-details
 */
export function withSignature<T extends object>(
  object: T,
  server: ServerName,
  keyId: string,
  signature: Uint8Array,
): T & { readonly signatures: Signatures } {
  const signatures = (ownObject(object, 'signatures') ?? {}) as unknown as Signatures
  const ofServer = ownObject(signatures, server) ?? {}
  const merged = { ...signatures, [server]: { ...ofServer, [keyId]: encodeBase64(signature) } } as Signatures
  return { ...object, signatures: merged }
}

/**
 * The server's signature with this key; undefined when there is none or it is not base64.
 * @see https://spec.matrix.org/latest/appendices/#checking-for-a-signature
 */
export function signatureOf(object: object, server: ServerName, keyId: string): Uint8Array<ArrayBuffer> | undefined {
  const signature = ownString(ownObject(ownObject(object, 'signatures'), server), keyId)
  return signature === undefined ? undefined : decodeBase64(signature)
}
