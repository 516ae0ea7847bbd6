import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { verifyEd25519 } from './verify-ed25519.ts'

const seed = new Uint8Array(32).fill(7)
const publicKey = ed25519.getPublicKey(seed)
const message = new TextEncoder().encode('a message')
const signature = ed25519.sign(message, seed)

function withBitChanged(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
}

describe('a signature', () => {
  test('holds for its key and message', () => expect(verifyEd25519(publicKey, signature, message)).toBe(true))

  test('holds no more when one bit of it, of the key or of the message is another', () => {
    const bitOf = (bytes: Uint8Array) => fc.nat({ max: bytes.length * 8 - 1 })
    fc.assert(
      fc.property(bitOf(publicKey), bitOf(signature), bitOf(message), (inKey, inSignature, inMessage) => {
        expect(verifyEd25519(withBitChanged(publicKey, inKey), signature, message)).toBe(false)
        expect(verifyEd25519(publicKey, withBitChanged(signature, inSignature), message)).toBe(false)
        expect(verifyEd25519(publicKey, signature, withBitChanged(message, inMessage))).toBe(false)
      }),
      { numRuns: 50 },
    )
  })

  test.each([0, 31, 33, 64])('by a key of %i bytes is none', (length) => {
    expect(verifyEd25519(new Uint8Array(length), signature, message)).toBe(false)
  })

  test.each([0, 32, 63, 65])('of %i bytes is none', (length) => {
    expect(verifyEd25519(publicKey, new Uint8Array(length), message)).toBe(false)
  })

  test('by a key that is no point of the curve is none', () => {
    expect(verifyEd25519(new Uint8Array(32).fill(2), signature, message)).toBe(false)
  })

  // ZIP 215 takes it for every message.
  test('by the neutral point of the curve is none', () => {
    const neutral = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 1 : 0))
    const forged = Uint8Array.from([...neutral, ...new Uint8Array(32)])
    expect(ed25519.verify(forged, message, neutral, { zip215: true })).toBe(true)
    expect(verifyEd25519(neutral, forged, message)).toBe(false)
  })
})
