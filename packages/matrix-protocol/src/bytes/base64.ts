/** Unpadded standard base64 (Matrix appendices, "Unpadded Base64"). @see https://spec.matrix.org/latest/appendices/#unpadded-base64 */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true })
}

/**
 * Reads standard base64 with or without padding; undefined when the text is something else.
 * @see https://spec.matrix.org/latest/appendices/#unpadded-base64
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decode(text, 'base64')
}

/** Unpadded URL-safe base64. @see https://spec.matrix.org/latest/appendices/#url-safe-unpadded-base64 */
export function encodeBase64Url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: 'base64url', omitPadding: true })
}

/**
 * Reads URL-safe base64 with or without padding; undefined when the text is something else.
 * @see https://spec.matrix.org/latest/appendices/#url-safe-unpadded-base64
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decode(text, 'base64url')
}

function decode(text: string, alphabet: 'base64' | 'base64url'): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromBase64(text, { alphabet })
  } catch {
    return undefined
  }
}
