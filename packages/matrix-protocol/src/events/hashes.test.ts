import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RoomId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { roomVersion, type RoomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { addContentHash, checkContentHash, contentHash, createEventIdOf, eventIdOf, eventSigningBytes, roomIdOf } from './hashes.ts'
import { alice, someEventId, somePdu, someRoomId } from './pdu-fixture.ts'
import { redact } from './redact.ts'

const v12 = roomVersion('12') as RoomVersion
const types = fc.constantFrom(
  'm.room.message',
  'm.room.member',
  'm.room.create',
  'm.room.power_levels',
  'm.room.join_rules',
  'm.room.redaction',
)
const content = fc.dictionary(
  fc.constantFrom('membership', 'users', 'ban', 'invite', 'join_rule', 'allow', 'redacts', 'body', 'third_party_invite', 'creator'),
  fc.oneof(fc.string(), fc.maxSafeInteger(), fc.dictionary(fc.constantFrom('signed', 'x'), fc.nat())),
) as fc.Arbitrary<JsonObject>
const pdus = fc
  .record({ type: types, content, extra: fc.string() })
  .map(({ type, content: itsContent, extra }) =>
    addContentHash({ ...somePdu({ type, content: itsContent }), ...{ origin: 'example.org', extra } }),
  )

describe.each(supportedRoomVersions)('in room version $id', (version) => {
  test('the event id looks away from unsigned and signatures', () => {
    fc.assert(
      fc.property(pdus, fc.dictionary(fc.string(), fc.nat()), (pdu, unsigned) => {
        const other = { ...pdu, unsigned, signatures: { 'example.org': { 'ed25519:1': 'AAAA' } } }
        expect(eventIdOf(other, version)).toBe(eventIdOf(pdu, version))
      }),
    )
  })

  test('the event id and the signed bytes outlive redaction', () => {
    fc.assert(
      fc.property(pdus, (pdu) => {
        const redacted = redact(pdu, version)
        expect(eventIdOf(redacted, version)).toBe(eventIdOf(pdu, version))
        expect(eventSigningBytes(redacted, version)).toEqual(eventSigningBytes(pdu, version))
      }),
    )
  })

  test('redacting again changes nothing', () => {
    fc.assert(
      fc.property(pdus, (pdu) => {
        const redacted = redact(pdu, version)
        expect(redact(redacted, version)).toEqual(redacted)
      }),
    )
  })

  test('the event id changes with what is hashed', () => {
    const pdu = addContentHash(somePdu())
    const other = addContentHash(somePdu({ content: { body: 'other' } }))
    expect(eventIdOf(other, version)).not.toBe(eventIdOf(pdu, version))
    expect(eventIdOf(pdu, version)).toMatch(/^\$[A-Za-z0-9_-]{43}$/)
  })
})

describe('the content hash', () => {
  const pdu = addContentHash(somePdu())

  test('covers all content and unknown members', () => {
    expect(checkContentHash(pdu)).toBe(true)
    expect(checkContentHash({ ...pdu, content: { body: 'changed' } })).toBe(false)
    expect(checkContentHash({ ...pdu, ...{ extra: 1 } })).toBe(false)
  })

  test('looks away from hashes, signatures and unsigned', () => {
    const changed = { ...pdu, hashes: { sha256: 'x' }, signatures: { a: {} }, unsigned: { age: 1 } }
    expect(contentHash(changed)).toBe(contentHash(pdu))
  })

  test('is gone wrong for good once the event is redacted', () => expect(checkContentHash(redact(pdu, v12))).toBe(false))
})

describe('the room id', () => {
  const create = addContentHash({
    type: 'm.room.create',
    sender: alice,
    state_key: '',
    content: { room_version: '12' },
    origin_server_ts: 1,
    depth: 1,
    prev_events: [],
    auth_events: [],
  })

  test('of version 12 is the id of the create event with another sigil', () => {
    const roomId = roomIdOf(create, v12)
    expect(roomId).toBe(`!${eventIdOf(create, v12).slice(1)}`)
    expect(createEventIdOf(roomId)).toBe(eventIdOf(create, v12))
  })

  test('of other events is what they name', () => {
    expect(roomIdOf(addContentHash(somePdu()), v12)).toBe(someRoomId)
    const old = addContentHash(somePdu({ type: 'm.room.create', room_id: '!a:example.org' as RoomId, prev_events: [someEventId('x')] }))
    expect(roomIdOf(old, roomVersion('11') as RoomVersion)).toBe('!a:example.org')
  })

  test('must be there', () => {
    const { room_id: _roomId, ...nowhere } = addContentHash(somePdu())
    expect(() => roomIdOf(nowhere, v12)).toThrow('names no room')
  })
})
