/** A body is longer than what is read of it. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}

/**
 * Reads a whole body as UTF-8 text, at most `bytesMax`.
 * @throws BodyTooLargeError as soon as more arrives; the rest is not read.
 */
export async function readBoundedText(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let text = ''
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text + decoder.decode()
      bytes += value.byteLength
      if (bytes > bytesMax) throw new BodyTooLargeError(`More than ${bytesMax} bytes`)
      text += decoder.decode(value, { stream: true })
    }
  } finally {
    if (bytes > bytesMax) await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}
