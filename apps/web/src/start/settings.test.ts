import { expect, test } from 'vitest'
import { offeredAddresses } from './offered-addresses.ts'
import { readSettings } from './settings.ts'

test('without environment the defaults hold', () => {
  expect(readSettings({}, '/kith')).toEqual({
    port: 4180,
    relayPort: 4181,
    dataDirectory: '/kith/.kith/relay',
    relayTransports: ['websocket', 'webrtc-direct'],
  })
})

test('the environment overrides', () => {
  expect(readSettings({ PORT: '0', RELAY_PORT: '5000', KITH_DATA: '/data', KITH_RELAY_TRANSPORTS: 'webrtc-direct' }, '/kith')).toEqual({
    port: 0,
    relayPort: 5000,
    dataDirectory: '/data/relay',
    relayTransports: ['webrtc-direct'],
  })
})

test.each([[{ PORT: 'abc' }], [{ RELAY_PORT: '70000' }], [{ KITH_RELAY_TRANSPORTS: 'pigeon' }]])('%j is refused', (environment) => {
  expect(() => readSettings(environment, '/kith')).toThrow(/PORT|TRANSPORTS/)
})

test('the page is told the addresses that it can dial', () => {
  const addresses = [
    '/ip4/127.0.0.1/tcp/4181/ws/p2p/12D3',
    '/dns4/relay.test/tcp/443/wss/p2p/12D3',
    '/ip4/127.0.0.1/udp/4181/webrtc-direct/certhash/u/p2p/12D3',
    '/ip4/127.0.0.1/tcp/4999/p2p/12D3',
  ]
  expect(offeredAddresses(addresses, ['websocket', 'webrtc-direct'])).toEqual(addresses.slice(0, 3))
  expect(offeredAddresses(addresses, ['webrtc-direct'])).toEqual(addresses.slice(2, 3))
})
