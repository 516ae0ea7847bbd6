import { expect, test } from 'vitest'
import { supportedRoomVersions } from '../room-versions/room-version.ts'
import { signingKeyCounts } from './signing-key-counts.ts'

const event = { origin_server_ts: 1_000_000_000_000 }
const at = event.origin_server_ts
const week = 7 * 24 * 60 * 60 * 1000

test.each(supportedRoomVersions)('an expired key signs nothing from version 5 on, room version $id', (version) => {
  expect(signingKeyCounts(event, version, at - 1, at)).toBe(['1', '2', '3', '4'].includes(version.id))
  expect(signingKeyCounts(event, version, at, at)).toBe(true)
  // A key that the server's name is made of.
  expect(signingKeyCounts(event, version, undefined, 0)).toBe(true)
})

test.each(supportedRoomVersions.slice(4))('no key is valid for more than a week from now, room version $id', (version) => {
  expect(signingKeyCounts(event, version, at + week, at - week)).toBe(true)
  expect(signingKeyCounts(event, version, at + 100 * week, at - week - 1)).toBe(false)
})
