import { alice } from '../events/pdu-fixture.ts'
import type { AuthOutcome } from './auth-event.ts'
import { bob, carol, type RoomFixture } from './room-fixture.ts'
import { bobWith, type RuleCases, type RulesOf } from './rule-case.test-support.ts'

/** Bob, with this power, does something to Carol, who has the other. */
function bobToCarol(room: RoomFixture, membership: string, power: number, carolsPower = 0, carols = 'join'): AuthOutcome {
  bobWith(room, power, { ban: 60, kick: 40 }, { [carol]: carolsPower })
  room.member(carol, carols)
  return room.decideMember(bob, carol, membership)
}

function fromOutside(room: RoomFixture, membership: string): AuthOutcome {
  room.member(carol, 'join')
  return room.decideMember(bob, carol, membership)
}

function knockUnder(room: RoomFixture, rule: string, membership?: string, sender = bob): AuthOutcome {
  room.joinRule(rule)
  if (membership !== undefined) room.member(bob, membership)
  return room.decideMember(sender, bob, 'knock')
}

export const leaveCases: RuleCases<RulesOf<'member.leave'> | RulesOf<'member.ban'> | RulesOf<'member.knock'>> = {
  'member.leave.own.allowed': {
    says: 'leaving is allowed',
    hit: (room) => room.decideMember(alice, alice, 'leave'),
    miss: (room) => room.decideMember(bob, bob, 'leave'),
  },
  'member.leave.not-in-room': {
    says: 'leaving where one is not is rejected',
    hit: (room) => room.decideMember(bob, bob, 'leave'),
    miss: (room) => room.decideMember(alice, alice, 'leave'),
  },
  'member.leave.sender-not-joined': {
    says: 'a kick from outside is rejected',
    hit: (room) => fromOutside(room, 'leave'),
    miss: (room) => bobToCarol(room, 'leave', 40),
  },
  'member.leave.unban-power': {
    says: 'lifting a ban without the power to ban is rejected',
    hit: (room) => bobToCarol(room, 'leave', 59, 0, 'ban'),
    miss: (room) => bobToCarol(room, 'leave', 60, 0, 'ban'),
  },
  'member.leave.kick.allowed': {
    says: 'a kick with the power to kick is allowed',
    hit: (room) => bobToCarol(room, 'leave', 40, 39),
    miss: (room) => bobToCarol(room, 'leave', 40, 40),
  },
  'member.leave.kick-power': {
    says: 'a kick without the power to kick is rejected',
    hit: (room) => bobToCarol(room, 'leave', 39),
    miss: (room) => bobToCarol(room, 'leave', 40),
  },
  'member.leave.target-power': {
    says: 'a kick of an equal is rejected',
    hit: (room) => bobToCarol(room, 'leave', 50, 50),
    miss: (room) => bobToCarol(room, 'leave', 50, 49),
  },
  'member.ban.sender-not-joined': {
    says: 'a ban from outside is rejected',
    hit: (room) => fromOutside(room, 'ban'),
    miss: (room) => bobToCarol(room, 'ban', 60),
  },
  'member.ban.allowed': {
    says: 'a ban with the power to ban is allowed',
    hit: (room) => bobToCarol(room, 'ban', 60, 59),
    miss: (room) => bobToCarol(room, 'ban', 60, 60),
  },
  'member.ban.power': {
    says: 'a ban without the power to ban is rejected',
    hit: (room) => bobToCarol(room, 'ban', 59),
    miss: (room) => bobToCarol(room, 'ban', 60),
  },
  'member.ban.target-power': {
    says: 'a ban of an equal is rejected',
    hit: (room) => bobToCarol(room, 'ban', 60, 60),
    miss: (room) => bobToCarol(room, 'ban', 60, 59),
  },
  'member.knock.join-rule': {
    says: 'a knock where nobody listens is rejected',
    hit: (room) => knockUnder(room, 'invite'),
    miss: (room) => knockUnder(room, 'knock'),
  },
  'member.knock.sender': {
    says: 'a knock for another is rejected',
    hit: (room) => knockUnder(room, 'knock', undefined, alice),
    miss: (room) => knockUnder(room, 'knock'),
  },
  'member.knock.allowed': {
    says: 'a knock is allowed',
    hit: (room) => knockUnder(room, 'knock', 'leave'),
    miss: (room) => knockUnder(room, 'knock', 'ban'),
  },
  'member.knock.ban': {
    says: 'a knock of somebody banned is rejected',
    hit: (room) => knockUnder(room, 'knock', 'ban'),
    miss: (room) => knockUnder(room, 'knock', 'leave'),
  },
  'member.knock.invite': {
    says: 'a knock of somebody invited is rejected',
    hit: (room) => knockUnder(room, 'knock', 'invite'),
    miss: (room) => knockUnder(room, 'knock', 'knock'),
  },
  'member.knock.join': {
    says: 'a knock of a member is rejected',
    hit: (room) => knockUnder(room, 'knock', 'join'),
    miss: (room) => knockUnder(room, 'knock', 'leave'),
  },
}
