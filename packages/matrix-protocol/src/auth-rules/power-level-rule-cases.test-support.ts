import { alice } from '../events/pdu-fixture.ts'
import type { JsonObject } from '../json/json-value.ts'
import type { AuthOutcome } from './auth-event.ts'
import { bob, carol, type RoomFixture } from './room-fixture.ts'
import { bobWith, type RuleCase, type RuleCases, type RulesOf, withAlice } from './rule-case.test-support.ts'

/** Bob, who has 50 and may send power levels, changes these to those. */
function change(room: RoomFixture, current: JsonObject, next: JsonObject, users: JsonObject = {}, nextUsers = users): AuthOutcome {
  const events = { 'm.room.power_levels': 50 }
  const merged = (levels: JsonObject): JsonObject => ({ ...levels, events: { ...events, ...(levels['events'] as JsonObject | undefined) } })
  bobWith(room, 50, merged(current), users)
  const content = withAlice(room, merged(next), { [bob]: 50, ...nextUsers })
  return room.decide({ type: 'm.room.power_levels', sender: bob, state_key: '', content })
}

/** Alice, whom nothing limits, sends power levels. */
function levels(room: RoomFixture, content: JsonObject, users: JsonObject = {}): AuthOutcome {
  return room.decide({ type: 'm.room.power_levels', state_key: '', content: { ...withAlice(room, {}, users), ...content } })
}

const malformed = (name: string, value: JsonObject | string | number, good: JsonObject | number): RuleCase => ({
  says: `${name} that is none is rejected`,
  hit: (room) => levels(room, { [name]: value }),
  miss: (room) => levels(room, { [name]: good }),
})

const current = (name: string, write: (level: number) => JsonObject): RuleCase => ({
  says: `lowering ${name} from above one's own power is rejected`,
  hit: (room) => change(room, write(51), write(10)),
  miss: (room) => change(room, write(50), write(10)),
})

const raised = (name: string, write: (level: number) => JsonObject): RuleCase => ({
  says: `raising ${name} above one's own power is rejected`,
  hit: (room) => change(room, write(10), write(51)),
  miss: (room) => change(room, write(10), write(50)),
})

const level =
  (name: string) =>
  (value: number): JsonObject => ({ [name]: value })
const event = (value: number): JsonObject => ({ events: { 'org.example': value } })
const notification = (value: number): JsonObject => ({ notifications: { room: value } })

export const powerLevelCases: RuleCases<RulesOf<'power-levels'>> = {
  'power-levels.users-default': malformed('users_default', {}, 1),
  'power-levels.events-default': malformed('events_default', {}, 1),
  'power-levels.state-default': malformed('state_default', 'x', 1),
  'power-levels.ban': malformed('ban', '0x10', 1),
  'power-levels.redact': malformed('redact', '', 1),
  'power-levels.kick': malformed('kick', {}, 1),
  'power-levels.invite': malformed('invite', '1 1', 1),
  'power-levels.events': malformed('events', { 'm.room.message': 'x' }, { 'm.room.message': 1 }),
  'power-levels.notifications': malformed('notifications', 5, { room: 5 }),
  'power-levels.users': {
    says: 'a level for what is no user is rejected',
    hit: (room) => levels(room, {}, { nobody: 1 }),
    miss: (room) => levels(room, {}, { [bob]: 1 }),
  },
  'power-levels.creator-listed': {
    says: 'a level for a creator is rejected',
    hit: (room) => levels(room, {}, { [alice]: 100 }),
    miss: (room) => levels(room, {}, { [bob]: 100 }),
  },
  'power-levels.first.allowed': {
    says: 'the first power levels of a room, whatever they say, is allowed',
    hit: (room) => levels(room, { ban: 1_000 }),
    miss: (room) => change(room, {}, { ban: 1_000 }),
  },
  'power-levels.users-default.current': current('users_default', level('users_default')),
  'power-levels.users-default.new': raised('users_default', level('users_default')),
  'power-levels.events-default.current': current('events_default', level('events_default')),
  'power-levels.events-default.new': raised('events_default', level('events_default')),
  'power-levels.state-default.current': current('state_default', level('state_default')),
  'power-levels.state-default.new': raised('state_default', level('state_default')),
  'power-levels.ban.current': current('ban', level('ban')),
  'power-levels.ban.new': raised('ban', level('ban')),
  'power-levels.redact.current': current('redact', level('redact')),
  'power-levels.redact.new': raised('redact', level('redact')),
  'power-levels.kick.current': current('kick', level('kick')),
  'power-levels.kick.new': raised('kick', level('kick')),
  'power-levels.invite.current': current('invite', level('invite')),
  'power-levels.invite.new': raised('invite', level('invite')),
  'power-levels.events.current': current('an event type', event),
  'power-levels.events.new': raised('an event type', event),
  'power-levels.notifications.current': current('a notification', notification),
  'power-levels.notifications.new': raised('a notification', notification),
  'power-levels.users.current': {
    says: 'taking power from an equal is rejected',
    hit: (room) => change(room, {}, {}, { [carol]: 50 }, { [carol]: 0 }),
    miss: (room) => change(room, {}, {}, { [carol]: 49 }, { [carol]: 0 }),
  },
  'power-levels.users.new': {
    says: "giving more than one's own power is rejected",
    hit: (room) => change(room, {}, {}, {}, { [carol]: 51 }),
    miss: (room) => change(room, {}, {}, {}, { [carol]: 50 }),
  },
  'power-levels.allowed': {
    says: "changing levels within one's own power is allowed",
    hit: (room) => change(room, { kick: 10 }, { kick: 50 }),
    miss: (room) => change(room, { kick: 10 }, { kick: 51 }),
  },
}
