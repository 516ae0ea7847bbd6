import { expect, test } from 'vitest'
import { parseServedRelays } from './served-relays.ts'

test.each([
  ['no object', 'relays', undefined],
  ['no list', { relays: '/ip4/127.0.0.1' }, undefined],
  ['an empty list', { relays: [] }, []],
  [
    'addresses among other things',
    { relays: ['/ip4/127.0.0.1/tcp/1/ws', 7, 'http://x', `/${'a'.repeat(2_000)}`] },
    ['/ip4/127.0.0.1/tcp/1/ws'],
  ],
])('%s', (_, config, expected) => {
  expect(parseServedRelays(config)).toEqual(expected)
})

test('a long list is cut', () => {
  expect(parseServedRelays({ relays: Array.from({ length: 1_000 }, (_, index) => `/dns/r${index}`) })).toHaveLength(16)
})
