import { describe, expect, test } from 'vitest'
import { alice, oldRoomId } from '../events/pdu-fixture.ts'
import type { RoomId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { type RoomVersion, roomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import type { AuthEvent } from './auth-event.ts'
import { authTypesFor } from './auth-types.ts'
import { authoriseByAuthEvents } from './authorise-by-auth-events.ts'
import { bob, carol, RoomFixture } from './room-fixture.ts'

const v11 = roomVersion('11') as RoomVersion
const v12 = roomVersion('12') as RoomVersion
const versions = ['10', '11', '12'].map((id) => roomVersion(id) as RoomVersion)

const setting = (version: RoomVersion) => {
  const room = new RoomFixture(version)
  const powerLevels = room.powerLevels({ users: version.creatorsHaveInfinitePower ? {} : { [alice]: 100 } })
  const member = room.member(alice, 'join')
  const cited = version.roomIdIsCreateEvent ? [powerLevels, member] : [room.createEvent, powerLevels, member]
  const check = (authEvents: readonly AuthEvent[]): string => {
    const outcome = authoriseByAuthEvents(room.event({ type: 'm.room.message' }), authEvents, version, room.context)
    return outcome.kind === 'allowed' ? 'allowed' : outcome.rule
  }
  return { room, cited, member, check }
}

describe('rule 3, the events that an event cites', () => {
  test.each(versions)('allow it, version $id', (version) => {
    const { check, cited } = setting(version)
    expect(check(cited)).toBe('allowed')
  })

  test.each(versions)('3.1 are not cited twice, version $id', (version) => {
    const { check, cited, room } = setting(version)
    expect(check([...cited, room.powerLevels({})])).toBe('auth-events.duplicate')
  })

  test.each(versions)('3.2 are those that the selection asks for, version $id', (version) => {
    const { check, cited, room } = setting(version)
    expect(check([...cited, room.joinRule('public')])).toBe('auth-events.unexpected')
    expect(check([...cited, room.member(bob, 'join')])).toBe('auth-events.unexpected')
    expect(check([...cited, room.event({ type: 'm.room.power_levels' })])).toBe('auth-events.unexpected')
  })

  test('3.2 in version 12 do not include the create event', () => {
    const { check, cited, room } = setting(v12)
    expect(check([room.createEvent, ...cited])).toBe('auth-events.unexpected')
  })

  test.each(versions)('3.3 were not rejected, version $id', (version) => {
    const { check, cited } = setting(version)
    expect(check(cited.map((event, index) => (index === cited.length - 1 ? { ...event, rejected: true } : event)))).toBe(
      'auth-events.rejected',
    )
  })

  test('3.4 before version 12 include the create event', () => {
    const { check, cited } = setting(v11)
    expect(check(cited.slice(1))).toBe('auth-events.no-create-event')
  })

  test.each(versions)('3.5 are of the same room, version $id', (version) => {
    const { check, cited, member } = setting(version)
    const elsewhere = { ...member, pdu: { ...member.pdu, room_id: '!else:example.org' as RoomId } }
    expect(check([...cited.slice(0, -1), elsewhere])).toBe('auth-events.other-room')
  })

  test('must be enough', () => {
    const { check, cited } = setting(v12)
    expect(check(cited.slice(0, 1))).toBe('sender.not-joined')
  })

  test('are none for the create event', () => {
    for (const version of versions) {
      const room = new RoomFixture(version)
      const create = room.event({ type: 'm.room.create', state_key: '', prev_events: [], content: { creator: alice } })
      expect(authoriseByAuthEvents(create, [], version, { createEvent: undefined })).toMatchObject({ kind: 'allowed' })
    }
    expect(oldRoomId).toMatch(/:example\.org$/)
  })
})

function selected(type: string, content: JsonObject, stateKey?: string, version = v12): string[] {
  const event = { type, sender: alice, content, ...(stateKey === undefined ? {} : { state_key: stateKey }) }
  return authTypesFor(event, version)
    .map((key) => `${key.type.replace('m.room.', '')} ${key.stateKey}`.trim())
    .sort()
}

describe('the selection of auth events', () => {
  const own = `member ${alice}`

  test('for any event: power levels and the sender', () => expect(selected('m.room.message', {})).toEqual([own, 'power_levels']))
  test('before version 12: the create event too', () => {
    expect(selected('m.room.message', {}, undefined, v11)).toEqual(['create', own, 'power_levels'])
  })
  test('for the create event: nothing', () => {
    expect(selected('m.room.create', {}, '')).toEqual([])
    expect(selected('m.room.create', {}, '', v11)).toEqual([])
  })
  test('for a kick or a ban: the target too', () => {
    expect(selected('m.room.member', { membership: 'ban' }, bob)).toEqual([own, `member ${bob}`, 'power_levels'])
  })
  test.each(['join', 'knock'])('for a %s: the join rules too', (membership) => {
    expect(selected('m.room.member', { membership }, alice)).toEqual(['join_rules', own, 'power_levels'])
  })
  test('for an invite: target, join rules, and the invite of the address', () => {
    expect(selected('m.room.member', { membership: 'invite' }, bob)).toEqual(['join_rules', own, `member ${bob}`, 'power_levels'])
    const content = { membership: 'invite', third_party_invite: { signed: { token: 't' } } }
    expect(selected('m.room.member', content, bob)).toContain('third_party_invite t')
  })
  test('for a restricted join: who vouches', () => {
    const content = { membership: 'join', join_authorised_via_users_server: carol }
    expect(selected('m.room.member', content, alice)).toContain(`member ${carol}`)
    expect(selected('m.room.member', content, alice, supportedRoomVersions[6])).not.toContain(`member ${carol}`)
    expect(selected('m.room.member', { ...content, membership: 'leave' }, alice)).not.toContain(`member ${carol}`)
    // No key twice, even when a user vouches for itself.
    expect(selected('m.room.member', { ...content, join_authorised_via_users_server: alice }, alice)).toEqual([
      'join_rules',
      own,
      'power_levels',
    ])
  })
  test('before version 7, a knock is nothing special', () => {
    expect(selected('m.room.member', { membership: 'knock' }, alice, supportedRoomVersions[5])).not.toContain('join_rules')
  })
})
