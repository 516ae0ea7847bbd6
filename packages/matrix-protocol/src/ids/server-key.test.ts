import fc from 'fast-check'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { parseServerName, type ServerName } from './ids.ts'
import { publicKeyFromServerName, serverNameFromPublicKey } from './server-key.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('server names made of keys', () => {
  test('are CIDs of libp2p keys: version 1, codec libp2p-key, identity hash of the protobuf', () => {
    const publicKey = Uint8Array.from({ length: 32 }, (_, index) => index)
    const name = serverNameFromPublicKey(publicKey)
    const cid = CID.parse(name, base36)
    expect([cid.version, cid.code, cid.multihash.code]).toEqual([1, 0x72, 0])
    expect(cid.multihash.digest).toEqual(Uint8Array.of(8, 1, 18, 32, ...publicKey))
    expect(cid.toString(base36)).toBe(name)
  })

  test('have 62 characters, fit a DNS label and give the key back', () => {
    fc.assert(
      fc.property(key, (publicKey) => {
        const name = serverNameFromPublicKey(publicKey)
        expect(name).toMatch(/^k51[0-9a-z]{59}$/)
        expect(parseServerName(name)).toBe(name)
        expect(publicKeyFromServerName(name)).toEqual(new Uint8Array(publicKey))
      }),
    )
  })

  test('have one spelling: whatever gives a key is the name of that key', () => {
    const [first] = fc.sample(key, 1)
    const name = serverNameFromPublicKey(first ?? new Uint8Array(32))
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 61 }),
        fc.constantFrom(...'0123456789abcdefghijklmnopqrstuvwxyz'.split('')),
        (at, character) => {
          const changed = (name.slice(0, at) + character + name.slice(at + 1)) as ServerName
          const found = publicKeyFromServerName(changed)
          expect(found === undefined ? changed : serverNameFromPublicKey(found)).toBe(changed)
        },
      ),
    )
  })

  test.each(['example.org', 'k51', `k51${'z'.repeat(59)}`, `k51${'0'.repeat(59)}`, 'K51QZI', '[::1]'])('%s names no key', (name) => {
    expect(publicKeyFromServerName(name as ServerName)).toBeUndefined()
  })

  test('take keys of 32 bytes', () => expect(() => serverNameFromPublicKey(new Uint8Array(31))).toThrow(RangeError))
})
