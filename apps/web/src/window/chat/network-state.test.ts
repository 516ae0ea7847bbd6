import { expect, test } from 'vitest'
import { fingerprintBlocks, parseNetworkState } from './network-state.ts'

test('the network answer is read, odd entries passed over', () => {
  const state = parseNetworkState({
    server_name: 'k51a',
    version: 3,
    addresses: ['/ip4/1', 5],
    relays: [{ server: 'k51r', addresses: ['/ip4/2'], state: 'connected', mailbox: 'reserved' }, null],
    peers: [{ server: 'k51b', path: 'direct', transport: 'webrtc', direction: 'inbound', round_trip_ms: 12.5 }, 'x'],
  })
  expect(state).toEqual({
    serverName: 'k51a',
    version: 3,
    addresses: ['/ip4/1'],
    relays: [{ server: 'k51r', addresses: ['/ip4/2'], state: 'connected', mailbox: 'reserved' }],
    peers: [{ server: 'k51b', path: 'direct', transport: 'webrtc', direction: 'inbound', roundTripMs: 12.5 }],
  })
  expect(parseNetworkState({})).toEqual({ serverName: '', version: undefined, addresses: [], relays: [], peers: [] })
  expect(() => parseNetworkState([])).toThrow(TypeError)
})

test('fingerprints are read in blocks of four', () => {
  expect(fingerprintBlocks('00112233 4455')).toEqual(['0011', '2233', '4455'])
  expect(fingerprintBlocks('')).toEqual([])
})
