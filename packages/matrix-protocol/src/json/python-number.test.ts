import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJsonBytes, CanonicalJsonError, laxCanonicalJsonBytes } from './canonical-json.ts'
import type { JsonValue } from './json-value.ts'
import { pythonNumber } from './python-number.ts'

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

describe('a number of old rooms', () => {
  // As Python's json.dumps writes what its json.loads read.
  test.each([
    ['50.57', '50.57'],
    ['-0.5', '-0.5'],
    ['-0', '0'],
    ['0.0001', '0.0001'],
    ['0.00012', '0.00012'],
    ['0.00001', '1e-05'],
    ['0.0000123', '1.23e-05'],
    ['-1.5e-7', '-1.5e-07'],
    ['1e-100', '1e-100'],
    ['5e-324', '5e-324'],
    ['0.1', '0.1'],
    ['123456789.125', '123456789.125'],
    ['9007199254740992', '9007199254740992'],
    ['-9007199254740994', '-9007199254740994'],
    ['1000000000000000000000000', '999999999999999983222784'],
  ])('%s is hashed as %s', (written, hashed) => expect(pythonNumber(JSON.parse(written) as number)).toBe(hashed))

  test.each([NaN, Infinity, -Infinity])('%s is none', (number) => {
    expect(pythonNumber(number)).toBeUndefined()
    expect(() => laxCanonicalJsonBytes({ number })).toThrow(CanonicalJsonError)
  })

  test('too large for JSON to hold is none', () => {
    expect(() => laxCanonicalJsonBytes(JSON.parse('{"depth":1e400}') as JsonValue)).toThrow(CanonicalJsonError)
  })

  test('reads back as what it was, and is written the same again', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = pythonNumber(number) as string
        expect(Number(text)).toBe(number === 0 ? 0 : number)
        expect(pythonNumber(JSON.parse(text) as number)).toBe(text)
      }),
    )
  })
})

test('what is canonical JSON has one form only', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const lax = textOf(laxCanonicalJsonBytes(value as JsonValue))
      const strict = attempt(() => textOf(canonicalJsonBytes(value as JsonValue)))
      expect(strict ?? lax).toBe(lax)
    }),
  )
})

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if (error instanceof CanonicalJsonError) return undefined
    throw error
  }
}
