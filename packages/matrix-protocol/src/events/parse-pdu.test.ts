import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJsonBytes } from '../json/canonical-json.ts'
import type { JsonObject } from '../json/json-value.ts'
import { roomVersion, type RoomVersion } from '../room-versions/room-version.ts'
import { addContentHash } from './hashes.ts'
import { parsePdu } from './parse-pdu.ts'
import { someEventId, somePdu } from './pdu-fixture.ts'

const v12 = roomVersion('12') as RoomVersion
const v11 = roomVersion('11') as RoomVersion
const valid = addContentHash(somePdu(), v12) as unknown as JsonObject

function without(name: string): JsonObject {
  return Object.fromEntries(Object.entries(valid).filter(([key]) => key !== name))
}

const eventIds = (count: number): string[] => Array.from({ length: count }, (_, index) => someEventId(String.fromCharCode(65 + index)))

describe('a well-formed event', () => {
  test('is given back as it is, unknown members included', () => {
    const event = { ...valid, unsigned: { age: 1 }, 'org.example.extra': [1] }
    expect(parsePdu(event, v12)).toEqual({ kind: 'ok', pdu: event })
  })

  test('may be as large as the limits', () => {
    const event = {
      ...valid,
      prev_events: eventIds(20),
      auth_events: eventIds(10),
      type: 't'.repeat(255),
      state_key: 's'.repeat(255),
      depth: 2 ** 53 - 1,
    }
    expect(parsePdu(event, v12).kind).toBe('ok')
  })
})

function eventOfSize(size: number): JsonObject {
  const empty = { ...valid, content: { body: '' } }
  return { ...valid, content: { body: 'x'.repeat(size - canonicalJsonBytes(empty).length) } }
}

test('the first event of a room may have depth 0', () => expect(parsePdu({ ...valid, depth: 0 }, v12).kind).toBe('ok'))

describe('size', () => {
  test('65,535 bytes are the limit', () => {
    expect(canonicalJsonBytes(eventOfSize(65_535))).toHaveLength(65_535)
    expect(parsePdu(eventOfSize(65_535), v12).kind).toBe('ok')
    expect(parsePdu(eventOfSize(65_536), v12).kind).toBe('bad')
  })

  test('is counted in bytes, not characters', () => {
    const text = 'é'.repeat(40_000)
    expect(parsePdu({ ...valid, content: { body: text } }, v12).kind).toBe('bad')
  })
})

describe('a malformed event', () => {
  test.each(['type', 'sender', 'room_id', 'content', 'origin_server_ts', 'depth', 'prev_events', 'auth_events', 'hashes', 'signatures'])(
    'lacks %s',
    (name) => expect(parsePdu(without(name), v12).kind).toBe('bad'),
  )

  test.each<readonly [string, unknown]>([
    ['type', 5],
    ['type', 't'.repeat(256)],
    ['type', 'é'.repeat(128)],
    ['sender', 'alice'],
    ['sender', `@${'a'.repeat(250)}:example.org`],
    ['state_key', null],
    ['state_key', 's'.repeat(256)],
    ['room_id', 'room'],
    ['room_id', null],
    ['content', []],
    ['content', null],
    ['content', { level: 0.5 }],
    ['content', { level: 2 ** 53 }],
    ['content', { text: '\ud800' }],
    ['origin_server_ts', '1'],
    ['origin_server_ts', 1.5],
    ['depth', -1],
    ['depth', 2 ** 53],
    ['depth', '4'],
    ['depth', 1.5],
    ['prev_events', {}],
    ['prev_events', ['event']],
    ['prev_events', [[someEventId('a'), {}]]],
    ['prev_events', eventIds(21)],
    ['auth_events', eventIds(11)],
    ['auth_events', null],
    ['hashes', {}],
    ['hashes', { sha256: 5 }],
    ['signatures', []],
    ['signatures', { 'example.org': 'x' }],
    ['signatures', { 'example.org': { 'ed25519:1': 5 } }],
    ['signatures', { 'example.org': { 'ed25519:1': 'x', 'ed25519:2': 5 } }],
    ['signatures', { 'example.org': { 'ed25519:1': 'x' }, 'other.org': null }],
    ['unsigned', 'x'],
  ])('has a wrong %s: %j', (name, value) => {
    expect(parsePdu({ ...valid, [name]: value }, v12).kind).toBe('bad')
  })

  test.each([null, 5, 'text', [], [valid], undefined])('is no object: %j', (value) => expect(parsePdu(value, v12).kind).toBe('bad'))

  test('never makes the parser throw', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(valid)), fc.anything(), (name, value) => {
        expect(['ok', 'bad']).toContain(parsePdu({ ...valid, [name]: value }, v12).kind)
      }),
    )
  })
})

describe('the room id', () => {
  const create = { ...without('room_id'), type: 'm.room.create', state_key: '', content: { room_version: '12' } }

  test('is absent from the create event of version 12', () => expect(parsePdu(create, v12).kind).toBe('ok'))
  test('is present in the create event of version 11', () => {
    expect(parsePdu(create, v11).kind).toBe('bad')
    expect(parsePdu({ ...create, room_id: '!room:example.org' }, v11).kind).toBe('ok')
  })
  test('is present in what only looks like a create event', () => {
    expect(parsePdu({ ...create, state_key: 'x' }, v12).kind).toBe('bad')
    expect(parsePdu({ ...create, type: 'm.room.name' }, v12).kind).toBe('bad')
  })
})
