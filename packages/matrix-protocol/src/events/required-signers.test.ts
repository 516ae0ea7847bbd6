import { describe, expect, test } from 'vitest'
import type { EventId } from '../ids/ids.ts'
import { roomVersion, type RoomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { addContentHash } from './hashes.ts'
import { somePdu } from './pdu-fixture.ts'
import { requiredSigners } from './required-signers.ts'
import { splitStateKey, stateKeyOf } from './state-map.ts'
import { stripEvent, strippedState } from './stripped-state.ts'

const v12 = roomVersion('12') as RoomVersion
const join = addContentHash(
  somePdu({ type: 'm.room.member', content: { membership: 'join', join_authorised_via_users_server: '@b:other.org' } }),
  v12,
)

test('the server of the sender signs', () => expect(requiredSigners(addContentHash(somePdu(), v12), v12)).toEqual(['example.org']))

test('so does the server that vouches for a restricted join', () => {
  expect(requiredSigners(join, v12)).toEqual(['example.org', 'other.org'])
  expect(requiredSigners(join, supportedRoomVersions[6] as RoomVersion)).toEqual(['example.org'])
  expect(requiredSigners({ ...join, type: 'm.room.message' }, v12)).toEqual(['example.org'])
})

test('a server that vouches for its own user signs once', () => {
  const content = { membership: 'join', join_authorised_via_users_server: '@b:example.org' }
  expect(requiredSigners({ ...join, content }, v12)).toEqual(['example.org'])
})

test('the server that chose the event id signs where ids are chosen', () => {
  const message = addContentHash(somePdu({ event_id: '$x:third.org' as EventId }), v12)
  const signers = supportedRoomVersions.map((version) => requiredSigners(message, version).join())
  expect(signers).toEqual(['example.org,third.org', 'example.org,third.org', ...supportedRoomVersions.slice(2).map(() => 'example.org')])
  expect(requiredSigners({ ...message, event_id: '$x:example.org' as EventId }, supportedRoomVersions[0] as RoomVersion)).toEqual([
    'example.org',
  ])
})

describe('an invite through an identity server', () => {
  const invite = { ...join, content: { membership: 'invite', third_party_invite: {} } }

  test('is not signed by the server of the inviter', () => expect(requiredSigners(invite, v12)).toEqual([]))

  test.each([
    { ...invite, content: { membership: 'invite' } },
    { ...invite, content: { membership: 'join', third_party_invite: {} } },
    { ...invite, content: { membership: 'ban', third_party_invite: {} } },
    { ...invite, content: { third_party_invite: {} } },
    { ...invite, type: 'm.room.message' },
  ])('is nothing else: $type $content', (event) => expect(requiredSigners(event, v12)).toEqual(['example.org']))
})

test('state keys come apart as they were put together', () => {
  for (const [type, stateKey] of [
    ['m.room.member', '@a:b'],
    ['', ''],
    ['1:a', ':'],
    ['a\0', 'b'],
  ] as const) {
    expect(splitStateKey(stateKeyOf(type, stateKey))).toEqual({ type, stateKey })
  }
  expect(stateKeyOf('ab', 'c')).not.toBe(stateKeyOf('a', 'bc'))
})

test('stripped state is what may be told to those outside, and the members asked for', () => {
  const types = ['m.room.create', 'm.room.name', 'm.room.history_visibility', 'm.room.member']
  const state = new Map(
    types.map((type) => [type, addContentHash(somePdu({ type, state_key: type === 'm.room.member' ? '@a:b' : '' }), v12)]),
  )
  const lookup = (type: string, stateKey: string) => (state.get(type)?.state_key === stateKey ? state.get(type) : undefined)
  const stripped = strippedState(lookup, ['@a:b', '@a:b', '@unknown:b'])
  expect(stripped.map(({ type }) => type)).toEqual(['m.room.create', 'm.room.name', 'm.room.member'])
  // Whole events: the other server checks them, and takes the room id from the create event.
  expect(stripped[0]).toBe(state.get('m.room.create'))
  expect(Object.keys(stripEvent(join)).sort()).toEqual(['content', 'sender', 'state_key', 'type'])
})
