import { describe, expect, test } from 'vitest'
import type { EventId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { roomVersion, type RoomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { addContentHash } from './hashes.ts'
import { redactsOf } from './pdu.ts'
import { somePdu } from './pdu-fixture.ts'
import { redact } from './redact.ts'

function contentLeft(type: string, content: JsonObject, versionId: string): JsonObject {
  const version = supportedRoomVersions.find(({ id }) => id === versionId) as RoomVersion
  return redact(somePdu({ type, content }), version).content
}

const signed = { mxid: '@b:c', token: 't', signatures: {} }
const member = {
  membership: 'join',
  displayname: 'x',
  join_authorised_via_users_server: '@a:b',
  third_party_invite: { display_name: 'y', signed },
}
const powerLevels = { ban: 1, events: {}, events_default: 1, invite: 1, kick: 1, redact: 1, state_default: 1, users: {}, users_default: 1 }

describe('what is left of the content', () => {
  test.each<readonly [string, string, JsonObject, JsonObject]>([
    ['12', 'm.room.message', { body: 'x' }, {}],
    ['12', 'm.room.topic', { topic: 'x' }, {}],
    ['12', 'm.room.create', { room_version: '12', additional_creators: [], x: 1 }, { room_version: '12', additional_creators: [], x: 1 }],
    ['10', 'm.room.create', { creator: '@a:b', room_version: '10' }, { creator: '@a:b' }],
    ['12', 'm.room.member', member, { membership: 'join', join_authorised_via_users_server: '@a:b', third_party_invite: { signed } }],
    ['10', 'm.room.member', member, { membership: 'join', join_authorised_via_users_server: '@a:b' }],
    ['8', 'm.room.member', member, { membership: 'join' }],
    ['12', 'm.room.member', { membership: 'join', third_party_invite: 'x' }, { membership: 'join' }],
    ['12', 'm.room.member', { membership: 'join', third_party_invite: { x: 1 } }, { membership: 'join', third_party_invite: {} }],
    ['12', 'm.room.join_rules', { join_rule: 'restricted', allow: [], x: 1 }, { join_rule: 'restricted', allow: [] }],
    ['7', 'm.room.join_rules', { join_rule: 'restricted', allow: [] }, { join_rule: 'restricted' }],
    ['11', 'm.room.power_levels', { ...powerLevels, notifications: {}, x: 1 }, powerLevels],
    ['12', 'm.room.history_visibility', { history_visibility: 'shared', x: 1 }, { history_visibility: 'shared' }],
    ['11', 'm.room.redaction', { redacts: '$x', reason: 'y' }, { redacts: '$x' }],
    ['10', 'm.room.redaction', { redacts: '$x' }, {}],
    ['5', 'm.room.aliases', { aliases: [] }, { aliases: [] }],
    ['6', 'm.room.aliases', { aliases: [] }, {}],
    ['12', 'constructor', { x: 1 }, {}],
    ['12', '__proto__', { x: 1 }, {}],
  ])('version %s, %s', (version, type, content, left) => {
    expect(contentLeft(type, content, version)).toEqual(left)
  })

  test('version 10 forgets the power to invite', () => {
    const { invite: _invite, ...left } = powerLevels
    expect(contentLeft('m.room.power_levels', powerLevels, '10')).toEqual(left)
  })
})

describe('what is left of the event', () => {
  const event = {
    ...addContentHash(somePdu({ state_key: 'x' }), roomVersion('12') as RoomVersion),
    ...{
      event_id: '$x' as EventId,
      origin: 'a',
      membership: 'join',
      prev_state: [],
      unsigned: { age: 1 },
      redacts: '$y' as EventId,
      extra: 1,
    },
  }
  const kept = [
    'auth_events',
    'content',
    'depth',
    'event_id',
    'hashes',
    'origin_server_ts',
    'prev_events',
    'room_id',
    'sender',
    'signatures',
    'state_key',
    'type',
  ]

  test('from version 11 on', () => {
    expect(Object.keys(redact(event, roomVersion('12') as RoomVersion)).sort()).toEqual(kept)
  })

  test('before', () => {
    const left = Object.keys(redact(event, roomVersion('10') as RoomVersion)).sort()
    expect(left).toEqual([...kept, 'membership', 'origin', 'prev_state'].sort())
  })

  test('does not share what is removed', () => expect(event.content).toEqual(somePdu().content))
})

test('a redaction names its target in the content from version 11 on', () => {
  const content = { redacts: '$content' }
  const pdu = addContentHash(
    { ...somePdu({ type: 'm.room.redaction', content }), redacts: '$event' as EventId },
    roomVersion('12') as RoomVersion,
  )
  expect(redactsOf(pdu, roomVersion('11') as RoomVersion)).toBe('$content')
  expect(redactsOf(pdu, roomVersion('10') as RoomVersion)).toBe('$event')
  expect(redactsOf({ ...pdu, type: 'x' }, roomVersion('11') as RoomVersion)).toBeUndefined()
})
