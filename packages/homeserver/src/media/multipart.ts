import { encodeUtf8 } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { contentDisposition, filenameOf, type MediaDetails, mediaDetails } from './media-details.ts'

const LINE = '\r\n'

/**
 * The answer to a download by another server: a part of JSON that describes the file, today empty, and the file.
 * @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1mediadownloadmediaid
 */
export function multipartResponse(
  boundary: string,
  file: { readonly details: MediaDetails; readonly size: number; readonly body: ReadableStream<Uint8Array<ArrayBuffer>> },
): Response {
  const { details, size, body } = file
  const head = encodeUtf8(
    [
      `--${boundary}`,
      'Content-Type: application/json',
      '',
      '{}',
      `--${boundary}`,
      `Content-Type: ${details.contentType}`,
      `Content-Disposition: ${contentDisposition(details)}`,
      '',
      '',
    ].join(LINE),
  )
  const tail = encodeUtf8(`${LINE}--${boundary}--${LINE}`)
  const whole = body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(head),
      flush: (controller) => controller.enqueue(tail),
    }),
  )
  const headers = {
    'content-type': `multipart/mixed; boundary=${boundary}`,
    'content-length': String(head.byteLength + size + tail.byteLength),
  }
  return new Response(whole, { headers })
}

export type ParsedMultipart =
  | { readonly kind: 'file'; readonly details: MediaDetails; readonly body: ReadableStream<Uint8Array<ArrayBuffer>> }
  /** The file lies elsewhere. */
  | { readonly kind: 'redirect' }
  | { readonly kind: 'malformed'; readonly reason: string }

/** Reads such an answer. The file's bytes come as they arrive; they end in an error when the closing boundary does not come. */
export async function parseMultipart(response: Response): Promise<ParsedMultipart> {
  const boundary = boundaryOf(response.headers.get('content-type'))
  if (boundary === undefined || response.body === null) {
    // Nobody reads it any more; left alone, it would stay open for as long as the other side likes.
    await response.body?.cancel().catch(() => undefined)
    return { kind: 'malformed', reason: 'no multipart body' }
  }
  const source = new BufferedReader(response.body)
  const parsed = await readHeads(source, boundary)
  if (parsed.kind !== 'file') await source.cancel()
  return parsed
}

async function readHeads(source: BufferedReader, boundary: string): Promise<ParsedMultipart> {
  // What comes before the first boundary has no meaning.
  if ((await source.until(`--${boundary}`)) === undefined) return { kind: 'malformed', reason: 'no first part' }
  const delimiter = `${LINE}--${boundary}`
  const first = await source.until(delimiter)
  if (first === undefined) return { kind: 'malformed', reason: 'no second part' }
  const fields = await source.until(LINE + LINE)
  if (fields === undefined || fields.startsWith('--')) return { kind: 'malformed', reason: 'no second part' }
  const headers = parseFields(fields)
  if (headers.has('location')) return { kind: 'redirect' }
  const details = mediaDetails(headers.get('content-type') ?? null, filenameOf(headers.get('content-disposition') ?? null))
  return { kind: 'file', details, body: source.bytesUntil(delimiter) }
}

function boundaryOf(contentType: string | null): string | undefined {
  const match = /^multipart\/mixed\s*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType ?? '')
  return match?.[1] ?? match?.[2]
}

function parseFields(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  for (const line of text.split(LINE)) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  return fields
}

/** A stream read up to marks. Text is seen as Latin-1, so that a character is a byte. */
class BufferedReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #buffer = new Uint8Array()
  #ended = false
  #headBytes = 0

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader()
  }

  /** What comes before the mark, which is skipped. Undefined when it does not come within the bound of heads. */
  async until(mark: string): Promise<string | undefined> {
    for (;;) {
      const at = find(this.#buffer, mark)
      if (at >= 0) {
        this.#headBytes += at + mark.length
        if (this.#headBytes > limits.implementation.mediaHeadBytesMax) return undefined
        const text = new TextDecoder('utf-8').decode(this.#buffer.subarray(0, at))
        this.skip(at + mark.length)
        return text
      }
      if (this.#headBytes + this.#buffer.byteLength > limits.implementation.mediaHeadBytesMax || !(await this.#more())) return undefined
    }
  }

  skip(count: number): void {
    this.#buffer = this.#buffer.slice(count)
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined)
  }

  bytesUntil(mark: string): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          for (;;) {
            const at = find(this.#buffer, mark)
            // The end of what is there may be the begin of the mark.
            const sure = at >= 0 ? at : this.#buffer.byteLength - (mark.length - 1)
            if (sure > 0) {
              controller.enqueue(this.#buffer.slice(0, sure))
              this.skip(sure)
            }
            if (at >= 0) {
              controller.close()
              await this.cancel()
              return
            }
            if (sure > 0) return
            if (!(await this.#more())) throw new TypeError('The file ended before its closing boundary')
          }
        },
        cancel: async () => this.cancel(),
      },
      { highWaterMark: 0 },
    )
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const { done, value } = await this.#reader.read()
    if (done) {
      this.#ended = true
      return false
    }
    const joined = new Uint8Array(this.#buffer.byteLength + value.byteLength)
    joined.set(this.#buffer)
    joined.set(value, this.#buffer.byteLength)
    this.#buffer = joined
    return true
  }
}

function find(bytes: Uint8Array, mark: string): number {
  const first = mark.charCodeAt(0)
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + mark.length > bytes.byteLength) return -1
    let length = 1
    while (length < mark.length && bytes[at + length] === mark.charCodeAt(length)) length++
    if (length === mark.length) return at
  }
  return -1
}
