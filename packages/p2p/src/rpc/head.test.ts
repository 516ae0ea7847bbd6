import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HEADERS_MAX } from '../limits.ts'
import { FrameError } from './frame.ts'
import { encodeRequestHead, encodeResponseHead, parseRequestHead, parseResponseHead } from './head.ts'

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))

test('a request and a response keep what their heads carry', () => {
  const request = new Request('https://name/_matrix/federation/v1/event/%24id?x=1&y=%20', { method: 'DELETE', headers: { 'x-one': '1' } })
  expect(parseRequestHead(encodeRequestHead(request, true))).toEqual({
    method: 'DELETE',
    path: '/_matrix/federation/v1/event/%24id?x=1&y=%20',
    headers: [['x-one', '1']],
    streamed: true,
  })
  const response = new Response(null, { status: 404, headers: { 'x-two': '2' } })
  expect(parseResponseHead(encodeResponseHead(response, false))).toEqual({ status: 404, headers: [['x-two', '2']], streamed: false })
})

const request = { method: 'GET', path: '/', headers: [] }

test.each([
  ['not an object', []],
  ['null', null],
  ['a method in small letters', { ...request, method: 'get' }],
  ['a long method', { ...request, method: 'A'.repeat(17) }],
  ['no path', { ...request, path: undefined }],
  ['another host', { ...request, path: 'https://elsewhere/' }],
  ['a long path', { ...request, path: `/${'a'.repeat(40_000)}` }],
  ['no headers', { ...request, headers: undefined }],
  ['a header that is no pair', { ...request, headers: [['a']] }],
  ['a header that is no string', { ...request, headers: [['a', 1]] }],
  ['too many headers', { ...request, headers: Array.from({ length: HEADERS_MAX + 1 }, () => ['a', 'b']) }],
])('a request head with %s is refused', (_what, head) => {
  expect(() => parseRequestHead(encode(head))).toThrow(FrameError)
})

test.each([100, 199, 600, 200.5, '200', null])('a response with status %s is refused', (status) => {
  expect(() => parseResponseHead(encode({ status, headers: [] }))).toThrow(FrameError)
})

test('arbitrary heads give a head or a FrameError', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.jsonValue().map(encode)), (bytes) => {
      for (const parse of [parseRequestHead, parseResponseHead]) {
        expect(failureOf(() => parse(bytes))).toSatisfy((failure) => failure === undefined || failure instanceof FrameError)
      }
    }),
  )
})

function failureOf(action: () => void): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
}
