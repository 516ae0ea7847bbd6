import { serverNameFromPublicKey } from '@kith/matrix-protocol'
import { identityFromSeed } from '@kith/p2p/identity'
import { describe, expect, test } from 'vitest'
import { groupAddresses } from './relay-address.ts'

describe('the relay at the end of an address', () => {
  const { serverName, peerId } = identityFromSeed(new Uint8Array(32).fill(9))

  test('is named by its peer id or by its server name', () => {
    const addresses = [`/ip4/127.0.0.1/tcp/4001/ws/p2p/${peerId}`, `/ip4/127.0.0.1/tcp/4001/p2p/${serverName}`]
    expect(groupAddresses(addresses)).toEqual([{ server: serverName, addresses }])
  })

  test('may be one of several', () => {
    const other = serverNameFromPublicKey(new Uint8Array(32).fill(1))
    const grouped = groupAddresses([`/memory/1/p2p/${serverName}`, `/memory/2/p2p/${other}`, `/memory/1/p2p/${serverName}`])
    expect(grouped?.map(({ server, addresses }) => [server, addresses.length])).toEqual([
      [serverName, 1],
      [other, 1],
    ])
  })

  test.each([
    '',
    'nonsense',
    '/ip4/127.0.0.1/tcp/1',
    '/p2p/',
    '/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '/p2p/12D3KooW0',
    `/${'x'.repeat(600)}`,
  ])('cannot be %j', (address) => {
    expect(groupAddresses([address])).toBeUndefined()
  })
})
