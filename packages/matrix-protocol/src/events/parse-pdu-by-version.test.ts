import { describe, expect, test } from 'vitest'
import type { EventId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { supportedRoomVersions } from '../room-versions/room-version.ts'
import { addContentHash, checkContentHash, eventIdOf } from './hashes.ts'
import { parsePdu } from './parse-pdu.ts'
import { somePdu } from './pdu-fixture.ts'

const [given, base64, base64url] = ['$x:example.org', `$${'+/'.repeat(21)}a`, `$${'-_'.repeat(21)}a`] as [EventId, EventId, EventId]
const pair = [given, { sha256: 'x' }] as const

describe.each(supportedRoomVersions)('room version $id', (version) => {
  const pdu = addContentHash(somePdu({}, version), version)
  const isTaken = (changes: JsonObject): boolean => parsePdu({ ...pdu, ...changes }, version).kind === 'ok'
  const isOld = ['1', '2'].includes(version.id)
  const isLax = ['1', '2', '3', '4', '5'].includes(version.id)

  test('takes an event of its own kind', () => expect(parsePdu(pdu, version)).toEqual({ kind: 'ok', pdu }))

  test.each([
    ['pairs with given ids', [pair], isOld],
    ['pairs without a hash', [[given, {}]], isOld],
    ['given ids alone', [given], false],
    ['hashes in the alphabet of base64', [base64], version.id === '3'],
    ['hashes in the other alphabet', [base64url], !isOld && version.id !== '3'],
    ['pairs with hashes', [[base64url, {}]], false],
    ['pairs of something', [[given, 'x']], false],
    ['longer lists', [[given, {}, {}]], false],
    ['pairs with a hash that is none', [[given, { sha256: 5 }]], false],
    ['nothing', [], true],
  ] as const)('references that are %s', (_, references, expected) => {
    expect(isTaken({ prev_events: references })).toBe(expected)
    expect(isTaken({ auth_events: references })).toBe(expected)
  })

  test('the event id is the one that is given, or none is', () => {
    expect(isTaken({ event_id: base64url })).toBe(!isOld)
    expect(eventIdOf({ ...pdu, event_id: given }, version) === given).toBe(isOld)
  })

  test('the room id names a server before version 12, and none from it on', () => {
    expect(isTaken({ room_id: '!room:example.org' })).toBe(version.id !== '12')
    expect(isTaken({ room_id: `!${'R'.repeat(43)}` })).toBe(version.id === '12')
  })

  test('other numbers than integers are content of the first versions only', () => {
    const content = { level: 50.57, big: 2 ** 60 }
    expect(isTaken({ content })).toBe(isLax)
    expect(isTaken({ depth: 1.5 })).toBe(false)
    expect(isTaken({ depth: 2 ** 53 })).toBe(false)
    expect(isTaken({ origin_server_ts: 0.5 })).toBe(false)
    expect(isTaken({ content: { level: Infinity } })).toBe(false)
  })
})

test.each(supportedRoomVersions.slice(0, 5))('room version $id: other numbers are hashed and outlive the way through JSON', (version) => {
  const sent = addContentHash(somePdu({ content: { level: 50.57, small: 1e-7 } }, version), version)
  const received = parsePdu(JSON.parse(JSON.stringify(sent)), version)
  expect(received.kind === 'ok' && checkContentHash(received.pdu, version)).toBe(true)
})
