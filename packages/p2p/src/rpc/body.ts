import { INLINE_BODY_BYTES_MAX } from '../limits.ts'

/** A body that fits a frame, or its bytes so far and the rest. */
export type OutgoingBody = { readonly kind: 'inline'; readonly bytes: Uint8Array } | { readonly kind: 'streamed'; readonly source: AsyncIterable<Uint8Array> }

/** A request that can be sent, and sent again elsewhere while its body is inline. */
export interface OutgoingRequest {
  readonly request: Request
  readonly body: OutgoingBody
}

export async function prepareRequest(request: Request): Promise<OutgoingRequest> {
  return { request, body: await prepareBody(request) }
}

/** Reads just enough of a body to know how it will travel. */
export async function prepareBody(message: Request | Response): Promise<OutgoingBody> {
  // Some browsers have no Request.body; it is undefined there, and null only when the property exists and there is no body.
  const stream: ReadableStream<Uint8Array> | null | undefined = message.body
  if (stream === null) return { kind: 'inline', bytes: new Uint8Array() }
  if (stream === undefined) return prepareBytes(new Uint8Array(await message.arrayBuffer()))
  const reader = stream.getReader()
  const pieces: Uint8Array[] = []
  let length = 0
  while (length <= INLINE_BODY_BYTES_MAX) {
    const { done, value } = await reader.read()
    if (done) return { kind: 'inline', bytes: concatenate(pieces, length) }
    pieces.push(value)
    length += value.byteLength
  }
  return { kind: 'streamed', source: continueReading(pieces, reader) }
}

function prepareBytes(bytes: Uint8Array): OutgoingBody {
  if (bytes.byteLength <= INLINE_BODY_BYTES_MAX) return { kind: 'inline', bytes }
  return { kind: 'streamed', source: once(bytes) }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* continueReading(pieces: Uint8Array[], reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield piece
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // Only a reader that stopped early has anything left to cancel.
    reader.cancel().catch(() => {})
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
