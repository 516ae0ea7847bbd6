import type { Key, KeyPart } from '@kith/homeserver/ports'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeKey, encodeKey, encodePrefixEnd } from './binary-key.ts'
import { compareKeys, hasPrefix } from '../key-order.ts'

const part: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.maxSafeNat(),
  fc.string({ unit: 'binary' }),
  fc.array(fc.nat({ max: 0xffff }), { maxLength: 4 }).map((units) => String.fromCharCode(...units)),
)
const key: fc.Arbitrary<Key> = fc.array(part, { maxLength: 4 })

test('decoding gives back the key', () => {
  fc.assert(
    fc.property(key, (original) => {
      expect(decodeKey(encodeKey(original))).toEqual(original)
    }),
  )
})

test('bytes order as keys do', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Math.sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(Math.sign(compareKeys(a, b)))
    }),
    { numRuns: 1000 },
  )
})

test('the end of a prefix comes after all of its keys and before all later ones', () => {
  fc.assert(
    fc.property(key, key, (prefix, other) => {
      const isBefore = Buffer.compare(encodeKey(other), encodePrefixEnd(prefix)) < 0
      expect(isBefore).toBe(hasPrefix(other, prefix) || compareKeys(other, prefix) < 0)
    }),
  )
})
