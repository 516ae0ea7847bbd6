import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RoomId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { roomVersion, type RoomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { parseEventIdOf, parseEventReferences } from './event-references.ts'
import {
  addContentHash,
  checkContentHash,
  contentHash,
  createEventIdOf,
  eventIdOf,
  eventSigningBytes,
  referenceHash,
  referencesTo,
  roomIdOf,
} from './hashes.ts'
import { authEventIdsOf, type Pdu, prevEventIdsOf } from './pdu.ts'
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
function pdusOf(version: RoomVersion): fc.Arbitrary<Pdu> {
  return fc
    .record({ type: types, content, extra: fc.string() })
    .map(({ type, content: itsContent, extra }) =>
      addContentHash({ ...somePdu({ type, content: itsContent }, version), ...{ origin: 'example.org', extra } }, version),
    )
}

describe.each(supportedRoomVersions)('in room version $id', (version) => {
  const pdus = pdusOf(version)

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
    const pdu = addContentHash(somePdu({}, version), version)
    const other = addContentHash(somePdu({ content: { body: 'other' } }, version), version)
    expect(referenceHash(other, version)).not.toEqual(referenceHash(pdu, version))
    expect(eventIdOf(other, version) === eventIdOf(pdu, version)).toBe(version.eventIds === 'given')
    expect(parseEventIdOf(eventIdOf(pdu, version), version)).toBe(eventIdOf(pdu, version))
  })

  test('others name the event in the form of the version', () => {
    const pdu = addContentHash(somePdu({}, version), version)
    const references = referencesTo([{ eventId: eventIdOf(pdu, version), pdu }], version)
    expect(parseEventReferences(references, version, 1)).toBe(references)
    expect(prevEventIdsOf({ prev_events: references })).toEqual([eventIdOf(pdu, version)])
    expect(authEventIdsOf({ auth_events: references })).toEqual([eventIdOf(pdu, version)])
    expect(parseEventReferences([...references, ...references], version, 1)).toBeUndefined()
  })
})

describe('the content hash', () => {
  const pdu = addContentHash(somePdu(), v12)

  test('covers all content and unknown members', () => {
    expect(checkContentHash(pdu, v12)).toBe(true)
    expect(checkContentHash({ ...pdu, content: { body: 'changed' } }, v12)).toBe(false)
    expect(checkContentHash({ ...pdu, ...{ extra: 1 } }, v12)).toBe(false)
  })

  test('looks away from hashes, signatures and unsigned', () => {
    const changed = { ...pdu, hashes: { sha256: 'x' }, signatures: { a: {} }, unsigned: { age: 1 } }
    expect(contentHash(changed, v12)).toBe(contentHash(pdu, v12))
  })

  test('is gone wrong for good once the event is redacted', () => expect(checkContentHash(redact(pdu, v12), v12)).toBe(false))
})

describe('the room id', () => {
  const create = addContentHash(
    {
      type: 'm.room.create',
      sender: alice,
      state_key: '',
      content: { room_version: '12' },
      origin_server_ts: 1,
      depth: 1,
      prev_events: [],
      auth_events: [],
    },
    v12,
  )

  test('of version 12 is the id of the create event with another sigil', () => {
    const roomId = roomIdOf(create, v12)
    expect(roomId).toBe(`!${eventIdOf(create, v12).slice(1)}`)
    expect(createEventIdOf(roomId)).toBe(eventIdOf(create, v12))
  })

  test('of other events is what they name', () => {
    expect(roomIdOf(addContentHash(somePdu(), v12), v12)).toBe(someRoomId)
    const old = addContentHash(
      somePdu({ type: 'm.room.create', room_id: '!a:example.org' as RoomId, prev_events: [someEventId('x')] }),
      v12,
    )
    expect(roomIdOf(old, roomVersion('11') as RoomVersion)).toBe('!a:example.org')
  })

  test('must be there', () => {
    const { room_id: _roomId, ...nowhere } = addContentHash(somePdu(), v12)
    expect(() => roomIdOf(nowhere, v12)).toThrow('names no room')
  })
})
