import { describe, expect, test } from 'vitest'
import { alice } from '../events/pdu-fixture.ts'
import type { UserId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { type RoomVersion, roomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { powerLevelOf, requiredPowerForAction, requiredPowerForEvent } from './power-levels.ts'
import { bob, carol, RoomFixture } from './room-fixture.ts'

const v10 = roomVersion('10') as RoomVersion
const v12 = roomVersion('12') as RoomVersion
const versions = ['10', '11', '12'].map((id) => roomVersion(id) as RoomVersion)

/** Bob has 50 and may send power levels. */
function roomWhereBobHas50(current: JsonObject, version = v12): RoomFixture {
  const room = new RoomFixture(version)
  room.member(bob, 'join')
  const users = { [bob]: 50, [carol]: 50, '@low:x': 10, '@high:x': 70 }
  room.powerLevels({ users, ...current })
  return room
}

function change(room: RoomFixture, content: JsonObject, sender: UserId = bob): string {
  return room.try({ type: 'm.room.power_levels', sender, state_key: '', content })
}

const users = { [bob]: 50, [carol]: 50, '@low:x': 10, '@high:x': 70 }

describe('rules 10.1 to 10.4, what power levels look like', () => {
  test.each(versions)('10.1 levels are integers, version $id', (version) => {
    const room = new RoomFixture(version)
    for (const name of ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite']) {
      for (const level of ['50', 0.5, null, {}, true]) {
        expect(change(room, { [name]: level }, alice)).toBe(`power-levels.${name.replace('_', '-')}`)
      }
    }
  })

  test.each(versions)('10.2 levels of events and notifications are maps of integers, version $id', (version) => {
    const room = new RoomFixture(version)
    for (const name of ['events', 'notifications']) {
      for (const map of [[], 'x', null, { a: '5' }, { a: null }, { a: 5, b: '5' }])
        expect(change(room, { [name]: map }, alice)).toBe(`power-levels.${name}`)
      expect(change(room, { [name]: { a: -5 } }, alice)).toBe('allowed')
    }
  })

  test.each(versions)('10.3 levels of users are a map of users to integers, version $id', (version) => {
    const room = new RoomFixture(version)
    for (const map of [[], 5, { [bob]: '50' }, { bob: 50 }, { '@bob': 50 }, { [bob]: 50, [carol]: '50' }, { [bob]: 50, carol: 50 }]) {
      expect(change(room, { users: map }, alice)).toBe('power-levels.users')
    }
  })

  test('10.4 creators are not listed', () => {
    const room = new RoomFixture(v12, { additional_creators: [bob] })
    for (const creator of [alice, bob]) expect(change(room, { users: { [creator]: 100 } }, alice)).toBe('power-levels.creator-listed')
    expect(change(room, { users: { [carol]: 100 } }, alice)).toBe('allowed')
    expect(change(new RoomFixture(v10), { users: { [alice]: 100 } }, alice)).toBe('allowed')
  })
})

describe('rule 10.5, the first power levels', () => {
  test.each([v10, v12])('are as the sender wants, version $id', (version) => {
    const highest = Number.MAX_SAFE_INTEGER
    expect(change(new RoomFixture(version), { ban: highest, users: { [carol]: highest } }, alice)).toBe('allowed')
  })
})

describe('rule 10.6, levels', () => {
  test.each(['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'])('%s', (name) => {
    const rule = `power-levels.${name.replace('_', '-')}`
    const at = (level: number): RoomFixture => roomWhereBobHas50({ [name]: level, events: { 'm.room.power_levels': 0 } })
    const same = { users, events: { 'm.room.power_levels': 0 } }
    // 10.6.1
    expect(change(at(51), { ...same, [name]: 50 })).toBe(`${rule}.current`)
    expect(change(at(51), same)).toBe(`${rule}.current`)
    expect(change(at(50), { ...same, [name]: 49 })).toBe('allowed')
    expect(change(at(50), same)).toBe('allowed')
    // 10.6.2
    expect(change(at(49), { ...same, [name]: 50 })).toBe('allowed')
    expect(change(at(50), { ...same, [name]: 51 })).toBe(`${rule}.new`)
    expect(change(roomWhereBobHas50({ events: { 'm.room.power_levels': 0 } }), { ...same, [name]: 51 })).toBe(`${rule}.new`)
    // Unchanged is no change, however high.
    expect(change(at(99), { ...same, [name]: 99 })).toBe('allowed')
  })
})

describe.each(['events', 'notifications'])('rules 10.7 and 10.8, %s', (name) => {
  const room = roomWhereBobHas50({ [name]: { high: 51, equal: 50, low: 1 } })
  const given = { users, [name]: { high: 51, equal: 50, low: 1 } }
  const changed = (changes: JsonObject): string => change(room, { ...given, [name]: { ...(given[name] as JsonObject), ...changes } })

  test('10.7 what is above the sender stays', () => {
    expect(changed({ high: 50 })).toBe(`power-levels.${name}.current`)
    expect(change(room, { users, [name]: { equal: 50, low: 1 } })).toBe(`power-levels.${name}.current`)
  })
  test('10.8 nothing rises above the sender', () => {
    expect(changed({ low: 51 })).toBe(`power-levels.${name}.new`)
    expect(changed({ added: 51 })).toBe(`power-levels.${name}.new`)
  })
  test('all else is free', () => {
    expect(changed({ equal: 2, low: 50, added: 50 })).toBe('allowed')
    expect(change(room, { users, [name]: { high: 51 } })).toBe('allowed')
  })
})

test('notifications are free before version 6', () => {
  const room = roomWhereBobHas50({ notifications: { room: 99 } }, supportedRoomVersions[4])
  expect(change(room, { users, notifications: { room: 1 } })).toBe('allowed')
})

describe.each(versions)('rules 10.9 and 10.10, users, version $id', (version) => {
  const room = roomWhereBobHas50({}, version)
  const changed = (changes: JsonObject): string => change(room, { users: { ...users, ...changes } })

  test('10.9 equals and betters stay as they are', () => {
    expect(changed({ [carol]: 49 })).toBe('power-levels.users.current')
    expect(changed({ '@high:x': 0 })).toBe('power-levels.users.current')
    expect(change(room, { users: { [bob]: 50, [carol]: 50, '@low:x': 10 } })).toBe('power-levels.users.current')
  })
  test('10.9 oneself may be lowered and removed', () => {
    expect(changed({ [bob]: 1 })).toBe('allowed')
    expect(change(room, { users: { [carol]: 50, '@low:x': 10, '@high:x': 70 } })).toBe('allowed')
  })
  test('10.10 nobody rises above the sender, not even the sender', () => {
    expect(changed({ '@low:x': 51 })).toBe('power-levels.users.new')
    expect(changed({ '@new:x': 51 })).toBe('power-levels.users.new')
    expect(changed({ [bob]: 51 })).toBe('power-levels.users.new')
  })
  test('all else is free', () => {
    expect(changed({ '@low:x': 50, '@new:x': 50 })).toBe('allowed')
    expect(change(room, { users: { [bob]: 50, [carol]: 50, '@high:x': 70 } })).toBe('allowed')
  })
})

test('creators of version 12 change everything', () => {
  const room = roomWhereBobHas50({ ban: Number.MAX_SAFE_INTEGER })
  expect(change(room, { ban: 0, users: { '@high:x': Number.MAX_SAFE_INTEGER } }, alice)).toBe('allowed')
})

describe('reading power levels', () => {
  const create = { sender: alice, content: { creator: alice, additional_creators: [bob, 5, 'x'] } }

  test('of users', () => {
    expect(powerLevelOf(alice, undefined, create, v12)).toBe(Infinity)
    expect(powerLevelOf(bob, { users: { [bob]: 1 } }, create, v12)).toBe(Infinity)
    expect(powerLevelOf(bob, { users: { [bob]: 1 } }, create, v10)).toBe(1)
    expect(powerLevelOf(alice, undefined, create, v10)).toBe(100)
    expect(powerLevelOf(carol, undefined, create, v12)).toBe(0)
    expect(powerLevelOf(carol, { users_default: 7 }, create, v12)).toBe(7)
    expect(powerLevelOf(carol, { users_default: 7, users: { [carol]: 0 } }, create, v12)).toBe(0)
    expect(powerLevelOf(carol, { users: 'x', users_default: {} }, undefined, v12)).toBe(0)
  })

  test('needed', () => {
    expect((['ban', 'kick', 'redact', 'invite'] as const).map((action) => requiredPowerForAction(action, undefined, v12))).toEqual([
      50, 50, 50, 0,
    ])
    expect(requiredPowerForAction('invite', { invite: 3 }, v12)).toBe(3)
    expect(requiredPowerForEvent('a', true, {}, v12)).toBe(50)
    expect(requiredPowerForEvent('a', false, undefined, v12)).toBe(0)
    expect(requiredPowerForEvent('a', true, { events: { a: 3 }, state_default: 9 }, v12)).toBe(3)
  })
})
