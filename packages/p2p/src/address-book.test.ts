import { expect, test } from 'vitest'
import { AddressBook } from './address-book.ts'
import { identityFromSeed } from './identity.ts'
import { ADDRESS_BOOK_PEERS_MAX, ADDRESSES_PER_PEER_MAX } from './limits.ts'

const peer = identityFromSeed(new Uint8Array(32).fill(1))
const relay = identityFromSeed(new Uint8Array(32).fill(2))

function learned(...addresses: string[]): string[] {
  const book = new AddressBook()
  book.learn(peer.serverName, peer.peerId, addresses)
  return book.addresses(peer.serverName).map((address) => address.toString())
}

test('addresses end in their peer, and the newest comes first', () => {
  expect(learned('/ip4/10.0.0.1/tcp/1', `/ip4/10.0.0.2/tcp/2/ws/p2p/${peer.peerId}`)).toEqual([
    `/ip4/10.0.0.2/tcp/2/ws/p2p/${peer.peerId}`,
    `/ip4/10.0.0.1/tcp/1/p2p/${peer.peerId}`,
  ])
})

test('a circuit stands for the WebRTC connection that is arranged over it', () => {
  const circuit = `/ip4/10.0.0.1/tcp/1/p2p/${relay.peerId}/p2p-circuit`
  expect(learned(`${circuit}/webrtc/p2p/${peer.peerId}`, `${circuit}/p2p/${peer.peerId}`)).toEqual([`${circuit}/p2p/${peer.peerId}`])
})

test.each([
  '',
  '/',
  `/p2p/${peer.peerId}`,
  'nonsense',
  '/ip4/999.0.0.1/tcp/1',
  `/ip4/10.0.0.1/tcp/1/p2p/${relay.peerId}`,
  `/dns4/${'a'.repeat(2000)}/tcp/1`,
])('%s is ignored', (address) => {
  expect(learned(address)).toEqual([])
})

test('addresses and peers are bounded, and the newest stay', () => {
  const book = new AddressBook()
  for (let port = 1; port <= 3 * ADDRESSES_PER_PEER_MAX; port++) book.learn(peer.serverName, peer.peerId, [`/ip4/10.0.0.1/tcp/${port}`])
  const addresses = book.addresses(peer.serverName).map((address) => address.toString())
  expect(addresses).toHaveLength(ADDRESSES_PER_PEER_MAX)
  expect(addresses[0]).toContain(`/tcp/${3 * ADDRESSES_PER_PEER_MAX}/`)

  for (let number = 0; number < ADDRESS_BOOK_PEERS_MAX; number++)
    book.learn(`server${number}` as typeof peer.serverName, relay.peerId, ['/ip4/10.0.0.1/tcp/1'])
  expect(book.addresses(peer.serverName)).toEqual([])
})
