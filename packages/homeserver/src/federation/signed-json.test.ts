import { type JsonObject, type ServerName, serverNameFromPublicKey, SIGNING_KEY_ID } from '@kith/matrix-protocol'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { describe, expect, test } from 'vitest'
import { isSignedBy, signJson } from './signed-json.ts'

const [crypto, others] = [createNobleCrypto(new Uint8Array(32).fill(1)), createNobleCrypto(new Uint8Array(32).fill(2))]
const [server, other] = [serverNameFromPublicKey(crypto.publicKey), serverNameFromPublicKey(others.publicKey)]
const object = { what: 'it says', count: 1 }

describe('signed JSON', () => {
  test('is what the server signed, and no more', async () => {
    const signed = await signJson(crypto, server, object)
    expect(await isSignedBy(crypto, server, signed)).toBe(true)
    expect(await isSignedBy(crypto, server, { ...signed, unsigned: { age: 1 } })).toBe(true)
    expect(await isSignedBy(crypto, server, { ...signed, count: 2 })).toBe(false)
    expect(await isSignedBy(crypto, server, { ...signed, more: 1 })).toBe(false)
  })

  test('bears the signature of that server itself', async () => {
    const signed = await signJson(crypto, server, object)
    expect(await isSignedBy(crypto, other, signed)).toBe(false)
    expect(await isSignedBy(crypto, other, await signJson(crypto, other, object))).toBe(false)
    expect(await isSignedBy(crypto, 'example.org' as ServerName, await signJson(crypto, 'example.org' as ServerName, object))).toBe(false)
  })

  test.each<JsonObject>([{}, { signatures: {} }, { signatures: { [server]: { [SIGNING_KEY_ID]: 'no base64!' } } }])(
    'has a signature: not %j',
    async (signatures) => expect(await isSignedBy(crypto, server, { ...object, ...signatures })).toBe(false),
  )

  test('has a canonical form', async () => {
    expect(await isSignedBy(crypto, server, { ...(await signJson(crypto, server, object)), fraction: 0.5 })).toBe(false)
  })
})
