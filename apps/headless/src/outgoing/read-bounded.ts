import type { Response } from 'undici'

/** The body of an answer, unpacked; undefined when it is longer than that, and cut off there with `truncate`. */
export async function readBounded(
  response: Response,
  bytesMax: number,
  { truncate = false }: { readonly truncate?: boolean } = {},
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (response.body === null) return new Uint8Array()
  const reader = response.body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const { done, value } = (await reader.read()) as { readonly done: boolean; readonly value: Uint8Array | undefined }
    if (done || value === undefined) break
    const taken = value.subarray(0, bytesMax - size)
    chunks.push(taken)
    size += taken.byteLength
    if (taken.byteLength === value.byteLength) continue
    await reader.cancel()
    if (!truncate) return undefined
    break
  }
  return new Uint8Array(Buffer.concat(chunks, size))
}
