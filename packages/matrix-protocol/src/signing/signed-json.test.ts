import { ed25519 } from '@noble/curves/ed25519.js'
import { describe, expect, test } from 'vitest'
import { decodeBase64, encodeBase64 } from '../bytes/base64.ts'
import { addContentHash, eventSigningBytes } from '../events/hashes.ts'
import type { UnhashedPdu } from '../events/pdu.ts'
import type { ServerName } from '../ids/ids.ts'
import { supportedRoomVersions, type RoomVersion } from '../room-versions/room-version.ts'
import { signatureOf, signingBytes, withSignature } from './signed-json.ts'
import published from './signed-json.vectors.json' with { type: 'json' }

const seed = decodeBase64(published.seed) ?? new Uint8Array()
const server = published.server as ServerName
const { keyId } = published

function sign(message: Uint8Array): Uint8Array {
  return ed25519.sign(message, seed)
}

describe('the published vectors', () => {
  test.each(published.objects)('object %#', ({ object, signature }) => {
    const signed = withSignature(object, server, keyId, sign(signingBytes(object)))
    expect(signed).toEqual({ ...object, signatures: { [server]: { [keyId]: signature } } })
  })

  // `origin` is redacted from version 11 on, and with it these signatures change.
  const versions = supportedRoomVersions.filter(({ redaction }) => redaction.topLevel.includes('origin'))

  test('events hold for the versions up to 10', () => expect(versions.at(-1)?.id).toBe('10'))

  describe.each(versions)('events in room version $id', (version: RoomVersion) => {
    test.each(published.events)('event %#', ({ event, contentHash, signature }) => {
      const hashed = addContentHash(event as unknown as UnhashedPdu, version)
      expect(hashed.hashes).toEqual({ sha256: contentHash })
      expect(encodeBase64(sign(eventSigningBytes(hashed, version)))).toBe(signature)
    })
  })

  test('events are signed differently from version 11 on', () => {
    const version = supportedRoomVersions.find(({ id }) => id === '11') as RoomVersion
    const hashed = addContentHash(published.events[0]?.event as unknown as UnhashedPdu, version)
    expect(encodeBase64(sign(eventSigningBytes(hashed, version)))).not.toBe(published.events[0]?.signature)
  })
})

describe('signatures', () => {
  test('do not cover signatures and unsigned', () => {
    const object = { a: 1, signatures: { x: { 'ed25519:1': 'y' } }, unsigned: { age: 3 } }
    expect(signingBytes(object)).toEqual(signingBytes({ a: 1 }))
  })

  test('of others are kept when one is added, and found again', () => {
    const first = withSignature({ a: 1 }, 'one' as ServerName, 'ed25519:1', Uint8Array.of(1))
    const both = withSignature(
      withSignature(first, 'two' as ServerName, 'ed25519:1', Uint8Array.of(2)),
      'one' as ServerName,
      'ed25519:b',
      Uint8Array.of(3),
    )
    expect(both.signatures).toEqual({ one: { 'ed25519:1': 'AQ', 'ed25519:b': 'Aw' }, two: { 'ed25519:1': 'Ag' } })
    expect(signatureOf(both, 'two' as ServerName, 'ed25519:1')).toEqual(Uint8Array.of(2))
  })

  test.each([
    {},
    { signatures: null },
    { signatures: { one: 'x' } },
    { signatures: { one: { 'ed25519:1': 5 } } },
    { signatures: { one: { 'ed25519:1': 'no base64!' } } },
  ])('that are missing or malformed are none: %j', (object) => {
    expect(signatureOf(object, 'one' as ServerName, 'ed25519:1')).toBeUndefined()
  })

  test('of a server named like an inherited member are none', () => {
    expect(signatureOf({ signatures: {} }, 'constructor' as ServerName, 'name')).toBeUndefined()
  })
})
