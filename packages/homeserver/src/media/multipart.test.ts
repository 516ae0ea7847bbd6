import { encodeUtf8 } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mediaDetails } from './media-details.ts'
import { multipartResponse, parseMultipart } from './multipart.ts'

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const next = left.shift()
      if (next === undefined) controller.close()
      else controller.enqueue(new Uint8Array(next))
    },
  })
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer())
}

/** The same bytes, cut at other places. */
function recut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let at = 0
  for (let index = 0; at < bytes.byteLength; index++) {
    const size = sizes[index % sizes.length] ?? 1
    pieces.push(bytes.slice(at, at + size))
    at += size
  }
  return pieces
}

function answer(text: string, contentType = 'multipart/mixed; boundary=B'): Response {
  return new Response(text, { headers: { 'content-type': contentType } })
}

/** Pieces that look like the delimiter, whole and in part. */
const trap = fc.constantFrom('\r\n', '\r', '--', '\r\n--', '--B', '\r\n--X', '\r\n--B', 'B--', '{}', 'x')

describe('an answer in parts', () => {
  test('carries any file, wherever the network cuts it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), trap.map(encodeUtf8)), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
        fc.option(fc.string({ unit: 'binary', maxLength: 20 }), { nil: undefined }),
        async (pieces, sizes, filename) => {
          const file = await bytesOf(streamOf(pieces))
          const details = mediaDetails('image/png', filename)
          const sent = multipartResponse('kith-boundary-of-32-random-letters', { details, size: file.byteLength, body: streamOf(pieces) })
          const whole = await bytesOf(sent.body ?? streamOf([]))
          expect(sent.headers.get('content-length')).toBe(String(whole.byteLength))
          const parsed = await parseMultipart(new Response(streamOf(recut(whole, sizes)), { headers: sent.headers }))
          if (parsed.kind !== 'file') throw new Error(parsed.kind)
          expect(parsed.details).toEqual(details)
          expect(await bytesOf(parsed.body)).toEqual(file)
        },
      ),
    )
  })

  test.each([
    ['no parts', answer('hello'), 'malformed'],
    ['another type', answer('--B\r\n\r\n{}\r\n--B\r\n\r\nx\r\n--B--', 'application/json'), 'malformed'],
    ['one part only', answer('--B\r\n\r\n{}\r\n--B--\r\n\r\n'), 'malformed'],
    ['headers without an end', answer(`--B\r\n\r\n{}\r\n--B\r\nA: ${'x'.repeat(100_000)}`), 'malformed'],
    ['a file elsewhere', answer('--B\r\n\r\n{}\r\n--B\r\nLocation: https://cdn.example/x\r\n\r\n\r\n--B--'), 'redirect'],
    ['a preamble and a quoted boundary', answer('hi\r\n--B\r\n\r\n{}\r\n--B\r\n\r\nx\r\n--B--', 'multipart/mixed; boundary="B"'), 'file'],
  ])('with %s', async (_what, response, kind) => {
    expect((await parseMultipart(response)).kind).toBe(kind)
  })

  test('that breaks off is no file', async () => {
    const parsed = await parseMultipart(answer('--B\r\n\r\n{}\r\n--B\r\nContent-Type: text/plain\r\n\r\nhalf of i'))
    if (parsed.kind !== 'file') throw new Error(parsed.kind)
    await expect(bytesOf(parsed.body)).rejects.toThrow('closing boundary')
  })
})
