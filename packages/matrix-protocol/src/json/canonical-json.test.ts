import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, CanonicalJsonError, compareCodePoints } from './canonical-json.ts'
import published from './canonical-json.vectors.json' with { type: 'json' }
import type { JsonValue } from './json-value.ts'

const key = fc.string({ unit: 'binary' })
const { value: jsonValue } = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value')),
    fc.dictionary(key, tie('value')),
  ),
}))

describe('the published vectors', () => {
  test.each(published.vectors)('$input', ({ input, canonical }) => {
    expect(canonicalJson(JSON.parse(input) as JsonValue)).toBe(canonical)
  })
})

describe('numbers', () => {
  test.each([0.5, 1e300, -1e-7, 2 ** 53, -(2 ** 53), NaN, Infinity])('%d is refused', (number) => {
    expect(() => canonicalJson({ number })).toThrow(CanonicalJsonError)
  })

  test('the largest and the smallest integer are written in full', () => {
    expect(canonicalJson([2 ** 53 - 1, -(2 ** 53) + 1])).toBe('[9007199254740991,-9007199254740991]')
  })
})

describe('keys', () => {
  test('are ordered by code point where UTF-16 units order otherwise', () => {
    // U+1F600 takes two units, the first of which (U+D83D) is below U+FB01.
    expect(canonicalJson({ '\u{1f600}': 1, '\ufb01': 2, a: 3, '\ud7ff': 4 })).toBe('{"a":3,"\ud7ff":4,"\ufb01":2,"\u{1f600}":1}')
  })

  test('are ordered like their UTF-8 bytes', () => {
    const encoder = new TextEncoder()
    fc.assert(
      fc.property(key, key, key, (beginning, leftEnd, rightEnd) => {
        const [left, right] = [beginning + leftEnd, beginning + rightEnd]
        const [leftBytes, rightBytes] = [encoder.encode(left), encoder.encode(right)]
        const at = leftBytes.findIndex((byte, index) => byte !== rightBytes[index])
        const expected = at === -1 ? leftBytes.length - rightBytes.length : (leftBytes[at] ?? 0) - (rightBytes[at] ?? -1)
        expect(Math.sign(compareCodePoints(left, right))).toBe(Math.sign(expected))
      }),
    )
  })

  test('named like inherited members are ordinary', () => {
    const object = JSON.parse('{"toString": 1, "__proto__": {"x": 2}, "constructor": 3}') as JsonValue
    expect(canonicalJson(object)).toBe('{"__proto__":{"x":2},"constructor":3,"toString":1}')
  })

  test('without a value are left out', () => {
    expect(canonicalJson({ a: undefined, b: 1 } as unknown as JsonValue)).toBe('{"b":1}')
  })
})

describe('text', () => {
  test('is escaped no more than needed', () => {
    expect(canonicalJson('"\\/\b\f\n\r\t\u0001\u001f\u007f\u2028é')).toBe('"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f\u2028é"')
  })

  test('with half of a surrogate pair is refused, in keys too', () => {
    expect(() => canonicalJson('\ud800')).toThrow(CanonicalJsonError)
    expect(() => canonicalJson({ '\udc00': 1 })).toThrow(CanonicalJsonError)
  })
})

const nested = (depth: number): JsonValue => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as JsonValue

describe('shape', () => {
  test('nesting has a limit, which protects the stack', () => {
    expect(canonicalJson(nested(256))).toHaveLength(512)
    expect(() => canonicalJson(nested(257))).toThrow(CanonicalJsonError)
    expect(() => canonicalJson(nested(30_000))).toThrow(CanonicalJsonError)
  })

  test.each([undefined, () => 1, 1n, Symbol('a')])('what is no JSON is refused', (value) => {
    expect(() => canonicalJson([value] as unknown as JsonValue)).toThrow(CanonicalJsonError)
  })

  test('any JSON comes back from its canonical form, and has only one', () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const canonical = canonicalJson(value)
        const again = JSON.parse(canonical) as JsonValue
        expect(again).toEqual(JSON.parse(JSON.stringify(value)))
        expect(canonicalJson(again)).toBe(canonical)
      }),
    )
  })
})
