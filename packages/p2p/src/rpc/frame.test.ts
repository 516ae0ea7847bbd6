import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_BYTES_MAX, HEAD_BYTES_MAX, INLINE_BODY_BYTES_MAX } from '../limits.ts'
import { encodeFrame, FRAME_ID_MAX, FrameDecoder, FrameError, type Frame } from './frame.ts'

const id = fc.integer({ min: 0, max: FRAME_ID_MAX })
const bytes = fc.uint8Array({ maxLength: 2000 })
const message = fc.constantFrom('request' as const, 'response' as const)
const signal = fc.constantFrom('cancel' as const, 'ping' as const, 'pong' as const, 'go-away' as const)
const frame: fc.Arbitrary<Frame> = fc.oneof(fc.record({ kind: message, id, head: bytes, body: bytes }), fc.record({ kind: signal, id }))

/** Cuts bytes at arbitrary places; a cut may repeat, which gives empty chunks. */
function cut(whole: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((place) => place % (whole.byteLength + 1)).sort((a, b) => a - b), whole.byteLength]
  return places.slice(1).map((end, index) => whole.subarray(places[index], end))
}

test('frames come out as they went in, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cuts) => {
      const whole = Uint8Array.from(frames.flatMap((one) => [...encodeFrame(one)]))
      const decoder = new FrameDecoder()
      const decoded = cut(whole, cuts).flatMap((chunk) => decoder.push(chunk))
      expect(decoded.map(comparable)).toEqual(frames.map(comparable))
    }),
  )
})

test('the largest frame fits, and one byte more does not', () => {
  const largest: Frame = { kind: 'request', id: 1, head: new Uint8Array(HEAD_BYTES_MAX), body: new Uint8Array(INLINE_BODY_BYTES_MAX) }
  expect(new FrameDecoder().push(encodeFrame(largest))).toHaveLength(1)
  expect(() => encodeFrame({ ...largest, head: new Uint8Array(HEAD_BYTES_MAX + 1) })).toThrow(FrameError)
  expect(() => encodeFrame({ ...largest, body: new Uint8Array(INLINE_BODY_BYTES_MAX + 1) })).toThrow(FrameError)
})

test('arbitrary bytes give frames or a FrameError, and after an error always the same one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 10 }), fc.boolean(), (noise, cuts, plausible) => {
      // A length that fits makes the decoder look into the frame.
      const whole =
        plausible && noise.byteLength >= 4 ? Uint8Array.of(0, 0, 0, Math.max(5, noise.byteLength - 4), ...noise.subarray(4)) : noise
      const decoder = new FrameDecoder()
      const outcomes = cut(whole, cuts).map((chunk) => failureOf(() => decoder.push(chunk)))
      const firstFailure = outcomes.find((failure) => failure !== undefined)
      const fromThere = firstFailure === undefined ? [] : outcomes.slice(outcomes.indexOf(firstFailure))
      expect(firstFailure === undefined || firstFailure instanceof FrameError).toBe(true)
      expect(fromThere.every((failure) => failure === firstFailure)).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test.each([0, 4, FRAME_BYTES_MAX + 1, 0xffff_ffff])('a frame that claims %d bytes is refused before any of them is awaited', (length) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, length)
  expect(() => new FrameDecoder().push(bytes)).toThrow(FrameError)
})

test('decoded frames do not share memory with the chunks', () => {
  const chunk = encodeFrame({ kind: 'request', id: 7, head: Uint8Array.of(1, 2), body: Uint8Array.of(3) })
  const [frame] = new FrameDecoder().push(chunk)
  chunk.fill(0xff)
  expect(frame).toMatchObject({ kind: 'request', id: 7, head: Uint8Array.of(1, 2), body: Uint8Array.of(3) })
})

function failureOf(action: () => void): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
}

function comparable(frame: Frame): unknown {
  return 'head' in frame ? { ...frame, head: [...frame.head], body: [...frame.body] } : frame
}
