import { INLINE_BODY_BYTES_MAX } from '../limits.ts'

/** A body that fits a frame, or its bytes so far and the rest. */
export type OutgoingBody = { readonly kind: 'inline'; readonly bytes: Uint8Array } | StreamedBody

export interface StreamedBody {
  readonly kind: 'streamed'
  /** To be read once. */
  readonly source: AsyncIterable<Uint8Array>
  /** Ends the source, even while it waits for its next piece. */
  readonly cancel: () => void
}

/** A request that can be sent, and sent again elsewhere while its body is inline. */
export interface OutgoingRequest {
  readonly request: Request
  readonly body: OutgoingBody
}

/** @throws the signal's reason, or what the body throws. */
export async function prepareRequest(request: Request, signal: AbortSignal): Promise<OutgoingRequest> {
  return { request, body: await prepareBody(request, signal) }
}

/** Reads just enough of a body to know how it will travel. @throws the signal's reason, or what the body throws. */
export async function prepareBody(message: Request | Response, signal: AbortSignal): Promise<OutgoingBody> {
  // Some browsers have no Request.body; it is undefined there, and null only when the property exists and there is no body.
  const stream: ReadableStream<Uint8Array> | null | undefined = message.body
  if (stream === null) return { kind: 'inline', bytes: new Uint8Array() }
  if (stream === undefined) return prepareBytes(new Uint8Array(await message.arrayBuffer()))
  const reader = stream.getReader()
  const cancel = (): void => {
    reader.cancel().catch(() => {})
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await readStart(reader, cancel, signal)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

async function readStart(reader: ReadableStreamDefaultReader<Uint8Array>, cancel: () => void, signal: AbortSignal): Promise<OutgoingBody> {
  const pieces: Uint8Array[] = []
  let length = 0
  while (length <= INLINE_BODY_BYTES_MAX) {
    const { done, value } = await reader.read()
    signal.throwIfAborted()
    if (done) return { kind: 'inline', bytes: concatenate(pieces, length) }
    pieces.push(value)
    length += value.byteLength
  }
  return { kind: 'streamed', source: continueReading(pieces, reader), cancel }
}

function prepareBytes(bytes: Uint8Array): OutgoingBody {
  if (bytes.byteLength <= INLINE_BODY_BYTES_MAX) return { kind: 'inline', bytes }
  return { kind: 'streamed', source: once(bytes), cancel: () => {} }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* continueReading(pieces: Uint8Array[], reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield piece
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

function concatenate(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = pieces
  if (first !== undefined && pieces.length === 1) return first
  const bytes = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

/** A stream that asks for its bytes only when it is read. */
export function deferredBody(open: () => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull: async (controller) => {
        reader ??= (await open()).getReader()
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
