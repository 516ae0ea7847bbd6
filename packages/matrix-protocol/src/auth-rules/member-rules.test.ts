import { describe, expect, test } from 'vitest'
import { alice, someEventId } from '../events/pdu-fixture.ts'
import { type RoomVersion, roomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { bob, carol, dave, RoomFixture } from './room-fixture.ts'

const v10 = roomVersion('10') as RoomVersion
const v11 = roomVersion('11') as RoomVersion
const v12 = roomVersion('12') as RoomVersion
const versions = [v10, v11, v12]

function roomWith(joinRule?: string, version = v12): RoomFixture {
  const room = new RoomFixture(version)
  if (joinRule !== undefined) room.joinRule(joinRule)
  return room
}

describe('rule 5.1 and 5.8, what a membership is', () => {
  test('it has a target', () => expect(roomWith().try({ type: 'm.room.member', content: { membership: 'join' } })).toBe('member.state-key'))
  test('it says a membership', () => expect(roomWith().try({ type: 'm.room.member', state_key: alice })).toBe('member.membership'))
  test.each(['owner', '', 5, null])('it is no %j', (membership) => {
    expect(roomWith().try({ type: 'm.room.member', state_key: alice, content: { membership } })).toBe('member.unknown')
  })
})

describe('rule 5.2, who vouches', () => {
  test('is a user', () => {
    const more = { join_authorised_via_users_server: 'other.org' }
    expect(roomWith('public').tryMember(bob, bob, 'join', { more })).toBe('member.authorised-via')
  })
})

function joinInvited(rule: string, versionId: number): string {
  const room = roomWith(rule, supportedRoomVersions[versionId - 1])
  room.member(bob, 'invite')
  return room.tryMember(bob, bob, 'join')
}

describe('rule 5.3, joins', () => {
  test.each(versions)('5.3.1 the creator joins first, version $id', (version) => {
    const room = roomWith('invite', version)
    room.member(alice, 'leave')
    expect(room.tryMember(alice, alice, 'join', { prev_events: [room.createEvent.eventId] })).toBe('allowed')
    expect(room.tryMember(alice, alice, 'join', { prev_events: [someEventId('x')] })).toBe('member.join.not-invited')
    const twoPrevious = { prev_events: [room.createEvent.eventId, someEventId('x')] }
    expect(room.tryMember(alice, alice, 'join', twoPrevious)).toBe('member.join.not-invited')
    expect(room.tryMember(bob, bob, 'join', { prev_events: [room.createEvent.eventId] })).toBe('member.join.not-invited')
  })

  test('5.3.1 further creators need an invite like everybody', () => {
    const room = new RoomFixture(v12, { additional_creators: [bob] })
    expect(room.tryMember(bob, bob, 'join', { prev_events: [room.createEvent.eventId] })).toBe('member.join.not-invited')
  })

  test('5.3.1 in version 10 it is the creator that the content names', () => {
    const outcomes = [v10, v11].map((version) => {
      const room = new RoomFixture(version, { creator: bob })
      return room.tryMember(bob, bob, 'join', { prev_events: [room.createEvent.eventId] })
    })
    expect(outcomes).toEqual(['allowed', 'member.join.not-invited'])
  })

  test.each(versions)('5.3.2 nobody joins for others, version $id', (version) => {
    expect(roomWith('public', version).tryMember(alice, bob, 'join')).toBe('member.join.sender')
  })

  test.each(versions)('5.3.3 the banned stay out, version $id', (version) => {
    const room = roomWith('public', version)
    room.member(bob, 'ban')
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.banned')
  })

  test.each(['invite', 'knock', undefined])('5.3.4 rule %s: by invite', (rule) => {
    const room = roomWith(rule)
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.not-invited')
    room.member(bob, 'knock')
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.not-invited')
    room.member(bob, 'leave')
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.not-invited')
    room.member(bob, 'invite')
    expect(room.tryMember(bob, bob, 'join')).toBe('allowed')
    room.member(bob, 'join')
    expect(room.tryMember(bob, bob, 'join')).toBe('allowed')
  })

  test('5.3.6 public', () => expect(roomWith('public').tryMember(carol, carol, 'join')).toBe('allowed'))
  test.each(['private', 'unheard-of'])('5.3.7 rule %s lets nobody in', (rule) => {
    const room = roomWith(rule)
    room.member(bob, 'invite')
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.rule-unknown')
  })

  test('rules that came later are unknown before', () => {
    expect([joinInvited('restricted', 7), joinInvited('restricted', 8)]).toEqual(['member.join.rule-unknown', 'allowed'])
    expect([joinInvited('knock_restricted', 9), joinInvited('knock_restricted', 10)]).toEqual(['member.join.rule-unknown', 'allowed'])
  })
})

describe.each(['restricted', 'knock_restricted'])('rule 5.3.5, rule %s', (rule) => {
  const via = { more: { join_authorised_via_users_server: carol } }

  test.each(['invite', 'join'])('5.3.5.1 needs nobody with membership %s', (membership) => {
    const room = roomWith(rule)
    room.member(bob, membership)
    expect(room.tryMember(bob, bob, 'join')).toBe('allowed')
  })

  test.each(versions)('5.3.5.2 somebody who may invite vouches, version $id', (version) => {
    const room = roomWith(rule, version)
    expect(room.tryMember(bob, bob, 'join')).toBe('member.join.restricted.not-authorised')
    expect(room.tryMember(bob, bob, 'join', via)).toBe('member.join.restricted.authoriser-not-joined')
    room.member(carol, 'invite')
    expect(room.tryMember(bob, bob, 'join', via)).toBe('member.join.restricted.authoriser-not-joined')
    room.member(carol, 'join')
    room.powerLevels({ invite: 50 })
    expect(room.tryMember(bob, bob, 'join', via)).toBe('member.join.restricted.authoriser-power')
    room.powerLevels({ invite: 50, users: { [carol]: 50 } })
    expect(room.tryMember(bob, bob, 'join', via)).toBe('allowed')
  })

  test('the banned stay out', () => {
    const room = roomWith(rule)
    room.member(carol, 'join')
    room.member(bob, 'ban')
    expect(room.tryMember(bob, bob, 'join', via)).toBe('member.join.banned')
  })
})

describe('rule 5.5, leaving and kicking', () => {
  test.each(versions)('5.5.1 whoever is invited, in or knocking may leave, version $id', (version) => {
    const room = roomWith('invite', version)
    for (const [membership, outcome] of [
      ['invite', 'allowed'],
      ['join', 'allowed'],
      ['knock', 'allowed'],
      ['leave', 'member.leave.not-in-room'],
      ['ban', 'member.leave.not-in-room'],
    ] as const) {
      room.member(bob, membership)
      expect(room.tryMember(bob, bob, 'leave')).toBe(outcome)
    }
    expect(room.tryMember(dave, dave, 'leave')).toBe('member.leave.not-in-room')
  })

  test('5.5.2 only members kick', () => {
    const room = roomWith()
    room.member(carol, 'join')
    room.powerLevels({ users: { [bob]: 100 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('member.leave.sender-not-joined')
  })

  test('5.5.3 lifting a ban takes the power to ban', () => {
    const room = roomWith()
    room.member(bob, 'join')
    room.member(carol, 'ban')
    room.powerLevels({ ban: 60, kick: 50, users: { [bob]: 50 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('member.leave.unban-power')
    room.powerLevels({ ban: 60, kick: 50, users: { [bob]: 60 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('allowed')
    room.powerLevels({ ban: 60, kick: 70, users: { [bob]: 60 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('member.leave.kick-power')
  })

  test('5.5.4 kicking takes the power to kick and more than the target has', () => {
    const room = roomWith()
    room.member(bob, 'join')
    room.member(carol, 'join')
    expect(room.tryMember(bob, carol, 'leave')).toBe('member.leave.kick-power')
    room.powerLevels({ users: { [bob]: 50 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('allowed')
    room.powerLevels({ users: { [bob]: 50, [carol]: 50 } })
    expect(room.tryMember(bob, carol, 'leave')).toBe('member.leave.target-power')
  })

  test('creators of version 12 cannot be kicked, not even by each other', () => {
    const room = new RoomFixture(v12, { additional_creators: [bob] })
    room.member(bob, 'join')
    expect(room.tryMember(bob, alice, 'leave')).toBe('member.leave.target-power')
    expect(room.tryMember(bob, alice, 'ban')).toBe('member.ban.target-power')
  })
})

describe('rule 5.6, bans', () => {
  test.each(versions)('take membership, the power to ban and more than the target has, version $id', (version) => {
    const room = roomWith('invite', version)
    room.member(carol, 'join')
    room.powerLevels({ users: { [bob]: 50, [alice]: 100 } })
    // 5.6.1
    expect(room.tryMember(bob, carol, 'ban')).toBe('member.ban.sender-not-joined')
    room.member(bob, 'join')
    // 5.6.2
    expect(room.tryMember(bob, carol, 'ban')).toBe('allowed')
    expect(room.tryMember(bob, dave, 'ban')).toBe('allowed')
    // 5.6.3
    expect(room.tryMember(carol, dave, 'ban')).toBe('member.ban.power')
    expect(room.tryMember(bob, alice, 'ban')).toBe('member.ban.target-power')
    expect(room.tryMember(bob, bob, 'ban')).toBe('member.ban.target-power')
  })
})

describe('rule 5.7, knocks', () => {
  test.each(['invite', 'public', 'restricted', 'private'])('5.7.1 not by rule %s', (rule) => {
    expect(roomWith(rule).tryMember(bob, bob, 'knock')).toBe('member.knock.join-rule')
  })

  test.each(['knock', 'knock_restricted'])('5.7.2 and 5.7.3 by rule %s', (rule) => {
    const room = roomWith(rule)
    expect(room.tryMember(alice, bob, 'knock')).toBe('member.knock.sender')
    expect(room.tryMember(bob, bob, 'knock')).toBe('allowed')
    for (const membership of ['leave', 'knock']) {
      room.member(bob, membership)
      expect(room.tryMember(bob, bob, 'knock')).toBe('allowed')
    }
    for (const membership of ['ban', 'invite', 'join']) {
      room.member(bob, membership)
      expect(room.tryMember(bob, bob, 'knock')).toBe(`member.knock.${membership}`)
    }
  })

  test('were unknown before version 7', () => {
    expect(roomWith('knock', supportedRoomVersions[5]).tryMember(bob, bob, 'knock')).toBe('member.unknown')
  })
})
