import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteRangeOf } from './byte-range.ts'

describe('a range of bytes', () => {
  test.each([
    ['bytes=0-0', 10, { start: 0, end: 1 }],
    ['bytes=2-', 10, { start: 2, end: 10 }],
    ['bytes=-3', 10, { start: 7, end: 10 }],
    ['bytes=-30', 10, { start: 0, end: 10 }],
    ['Bytes=8-99', 10, { start: 8, end: 10 }],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=-1', 0, 'unsatisfiable'],
    ['bytes=5-4', 10, undefined],
    ['bytes=-', 10, undefined],
    ['bytes=0-1,3-4', 10, undefined],
    ['lines=0-1', 10, undefined],
    [null, 10, undefined],
  ] as const)('%s of %i bytes', (header, size, expected) => {
    expect(byteRangeOf(header, size)).toEqual(expected)
  })

  test('lies within the file whatever is asked', () => {
    const number = fc.oneof(fc.constant(''), fc.nat().map(String), fc.bigInt(0n, 10n ** 15n - 1n).map(String))
    fc.assert(
      fc.property(number, number, fc.nat(1_000), (first, last, size) => {
        const range = byteRangeOf(`bytes=${first}-${last}`, size)
        if (typeof range !== 'object') return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.start).toBeLessThan(range.end)
        expect(range.end).toBeLessThanOrEqual(size)
      }),
    )
  })
})
