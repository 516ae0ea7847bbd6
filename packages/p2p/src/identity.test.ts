import { expect, test } from 'vitest'
import { createIdentity, identityFromSeed, libp2pKeyOf, peerIdFromServerName, serverNameFromPeerId } from './identity.ts'

/** RFC 8032, section 7.1, test 1. */
const SEED = Uint8Array.fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60')
const PUBLIC_KEY = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'

test('seed, public key, server name and peer id are one', async () => {
  const identity = identityFromSeed(SEED)
  expect(identity.publicKey.toHex()).toBe(PUBLIC_KEY)
  expect(identity.serverName).toMatch(/^k51[0-9a-z]{59}$/)
  expect(identity.peerId).toMatch(/^12D3KooW/)
  const peerId = peerIdFromServerName(identity.serverName)
  expect(peerId?.toString()).toBe(identity.peerId)
  expect(peerId === undefined ? undefined : serverNameFromPeerId(peerId)).toBe(identity.serverName)
  const key = libp2pKeyOf(identity)
  expect(await key.publicKey.verify(SEED, await key.sign(SEED))).toBe(true)
})

test('a new identity has the seed that it was given', () => {
  expect(createIdentity({ bytes: () => Uint8Array.from(SEED) })).toEqual(identityFromSeed(SEED))
})

test.each([0, 31, 33, 64])('a seed of %d bytes is refused', (length) => {
  expect(() => identityFromSeed(new Uint8Array(length))).toThrow(RangeError)
})
