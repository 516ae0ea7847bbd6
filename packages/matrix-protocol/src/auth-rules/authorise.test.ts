import { describe, expect, test } from 'vitest'
import { alice, oldRoomId, someEventId } from '../events/pdu-fixture.ts'
import type { EventId, RoomId } from '../ids/ids.ts'
import { type RoomVersion, roomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { authorise, redactionApplies } from './authorise.ts'
import { bob, carol, dave, type Proto, RoomFixture } from './room-fixture.ts'

const v10 = roomVersion('10') as RoomVersion
const v11 = roomVersion('11') as RoomVersion
const v12 = roomVersion('12') as RoomVersion
const versions = [v10, v11, v12]

const create: Proto = { type: 'm.room.create', state_key: '', prev_events: [], content: { creator: alice } }

describe('rule 1, the create event', () => {
  test.each(versions)('is allowed in version $id', (version) => expect(new RoomFixture(version).try(create)).toBe('allowed'))

  test('1.1 has no previous events', () => {
    expect(new RoomFixture(v12).try({ ...create, prev_events: [someEventId('x')] })).toBe('create.prev-events')
  })

  test('1.2 names no room, since it makes one', () => {
    expect(new RoomFixture(v12).try({ ...create, room_id: oldRoomId })).toBe('create.room-id')
  })

  test.each([v10, v11])('1.2 in version $id: names a room of the server of its sender', (version) => {
    const room = new RoomFixture(version)
    expect(room.try({ ...create, room_id: '!a:other.org' as RoomId })).toBe('create.room-id-domain')
    const { room_id: _, ...pdu } = room.event(create).pdu
    expect(authorise({ ...room.event(create), pdu }, room.state, version, room.context)).toMatchObject({ rule: 'create.room-id-domain' })
  })

  test('1.3 names a version that is known', () => {
    const room = new RoomFixture(v12)
    for (const unknown of ['99', 12]) {
      expect(room.try({ ...create, content: { room_version: unknown } })).toBe('create.room-version')
    }
    expect(room.try({ ...create, content: { room_version: '1' } })).toBe('allowed')
  })

  test('1.4 lists user ids as further creators', () => {
    const room = new RoomFixture(v12)
    for (const additional of ['@a:b', [5], ['bob'], [bob, '@a'], null, {}]) {
      expect(room.try({ ...create, content: { additional_creators: additional } })).toBe('create.additional-creators')
    }
    expect(room.try({ ...create, content: { additional_creators: [bob, carol] } })).toBe('allowed')
  })

  test('1.4 in version 10: names its creator', () => {
    expect(new RoomFixture(v10).try({ ...create, content: {} })).toBe('create.creator')
    expect(new RoomFixture(v11).try({ ...create, content: { additional_creators: 5 } })).toBe('allowed')
  })
})

describe('rule 2, the room', () => {
  const message: Proto = { type: 'm.room.message' }

  test('is made by a create event', () => {
    const room = new RoomFixture(v12)
    const outcome = authorise(room.event(message), room.state, v12, { createEvent: undefined })
    expect(outcome).toEqual({ kind: 'denied', rule: 'room.no-create-event' })
  })

  test.each(versions)('is not made by a rejected one, version $id', (version) => {
    const room = new RoomFixture(version)
    room.rejectCreateEvent()
    expect(room.try(message)).toBe('room.create-event-rejected')
  })

  test('is the one that its id says', () => {
    const room = new RoomFixture(v12)
    expect(room.try({ ...message, room_id: `!${'X'.repeat(43)}` as RoomId })).toBe('room.create-event-mismatch')
    for (const proto of [{ type: 'm.room.topic', state_key: '' }, { type: 'm.room.create', state_key: 'x' }, { type: 'm.room.create' }]) {
      const createEvent = { ...room.event(proto), eventId: room.createEvent.eventId }
      const outcome = authorise(room.event(message), room.state, v12, { createEvent })
      expect(outcome).toEqual({ kind: 'denied', rule: 'room.create-event-mismatch' })
    }
    const { room_id: _, ...pdu } = room.event(message).pdu
    expect(authorise({ ...room.event(message), pdu }, room.state, v12, room.context)).toMatchObject({ rule: 'room.create-event-mismatch' })
  })

  test.each([v10, v11])('has its create event in the state, version $id', (version) => {
    const room = new RoomFixture(version)
    const outcome = authorise(room.event(message), () => undefined, version, room.context)
    expect(outcome).toEqual({ kind: 'denied', rule: 'room.no-create-event' })
  })
})

describe('rule 4, federation', () => {
  test.each(versions)('may be switched off, version $id', (version) => {
    const room = new RoomFixture(version, { 'm.federate': false })
    room.joinRule('public')
    expect(room.tryMember(carol, carol, 'join')).toBe('room.not-federated')
    expect(room.tryMember(bob, bob, 'join')).toBe('allowed')
  })

  test('is on unless it is switched off with false itself', () => {
    for (const content of [{}, { 'm.federate': 'false' }, { 'm.federate': true }]) {
      const room = new RoomFixture(v12, content)
      room.joinRule('public')
      expect(room.tryMember(carol, carol, 'join')).toBe('allowed')
    }
  })
})

describe('rules 6 to 9, ordinary events', () => {
  test.each(versions)('6 only members send, version $id', (version) => {
    const room = new RoomFixture(version)
    expect(room.try({ type: 'm.room.message' })).toBe('allowed')
    for (const membership of ['invite', 'leave', 'ban', 'knock']) {
      room.member(bob, membership)
      expect(room.try({ type: 'm.room.message', sender: bob })).toBe('sender.not-joined')
    }
    expect(room.try({ type: 'm.room.message', sender: dave })).toBe('sender.not-joined')
  })

  test('7 inviting an address takes the power to invite', () => {
    const room = new RoomFixture(v12)
    room.member(bob, 'join')
    room.powerLevels({ invite: 50, users: { [bob]: 49 } })
    const invite: Proto = { type: 'm.room.third_party_invite', sender: bob, state_key: 'token' }
    expect(room.try(invite)).toBe('third-party-invite.power')
    room.powerLevels({ invite: 50, state_default: 100, users: { [bob]: 50 } })
    expect(room.try(invite)).toBe('allowed')
  })

  test('8 state takes 50, messages take nothing, unless the power levels say otherwise', () => {
    const room = new RoomFixture(v12)
    room.member(bob, 'join')
    const topic: Proto = { type: 'm.room.topic', sender: bob, state_key: '' }
    const message: Proto = { type: 'm.room.message', sender: bob }
    expect([room.try(topic), room.try(message)]).toEqual(['sender.power', 'allowed'])
    room.powerLevels({})
    expect([room.try(topic), room.try(message)]).toEqual(['sender.power', 'allowed'])
    room.powerLevels({ users_default: 50 })
    expect(room.try(topic)).toBe('allowed')
    room.powerLevels({ state_default: 0, events_default: 1 })
    expect([room.try(topic), room.try(message)]).toEqual(['allowed', 'sender.power'])
    room.powerLevels({ events: { 'm.room.topic': 10, 'm.room.message': 10 }, users: { [bob]: 10 } })
    expect([room.try(topic), room.try(message)]).toEqual(['allowed', 'allowed'])
    room.powerLevels({ events: { 'm.room.topic': 10, 'm.room.message': 10 }, users: { [bob]: 9 } })
    expect([room.try(topic), room.try(message)]).toEqual(['sender.power', 'sender.power'])
  })

  test('8 types named like inherited members take the default', () => {
    const room = new RoomFixture(v12)
    room.member(bob, 'join')
    room.powerLevels({ events: {} })
    for (const type of ['constructor', '__proto__', 'toString']) {
      expect(room.try({ type, sender: bob })).toBe('allowed')
      expect(room.try({ type, sender: bob, state_key: '' })).toBe('sender.power')
    }
  })

  test('9 state about a user is the user’s own', () => {
    const room = new RoomFixture(v12)
    expect(room.try({ type: 'org.example', state_key: bob })).toBe('state-key.other-user')
    expect(room.try({ type: 'org.example', state_key: '@' })).toBe('state-key.other-user')
    expect(room.try({ type: 'org.example', state_key: alice })).toBe('allowed')
  })

  test('11 all else is allowed, redactions included', () => {
    const room = new RoomFixture(v12)
    room.member(carol, 'join')
    expect(room.try({ type: 'm.room.redaction', sender: carol, content: { redacts: someEventId('x') } })).toBe('allowed')
  })
})

describe('who created the room', () => {
  test.each([v10, v11])('has power 100 while there are no power levels, version $id', (version) => {
    const room = new RoomFixture(version)
    expect(room.try({ type: 'm.room.topic', state_key: '' })).toBe('allowed')
    room.powerLevels({})
    expect(room.try({ type: 'm.room.topic', state_key: '' })).toBe('sender.power')
  })

  test('has infinite power in version 12, whatever the power levels say', () => {
    const room = new RoomFixture(v12)
    room.powerLevels({ state_default: Number.MAX_SAFE_INTEGER, users: { [alice]: 0 } })
    expect(room.try({ type: 'm.room.topic', state_key: '' })).toBe('allowed')
  })

  test('may have had help in version 12', () => {
    const room = new RoomFixture(v12, { additional_creators: [bob] })
    room.member(bob, 'join')
    room.powerLevels({ state_default: 100 })
    expect(room.try({ type: 'm.room.topic', sender: bob, state_key: '' })).toBe('allowed')
    const old = new RoomFixture(v11, { additional_creators: [bob] })
    old.member(bob, 'join')
    expect(old.try({ type: 'm.room.topic', sender: bob, state_key: '' })).toBe('sender.power')
  })

  test('is named in the content in version 10, and is the sender from version 11 on', () => {
    const topic: Proto = { type: 'm.room.topic', sender: bob, state_key: '' }
    const [ten, eleven] = [new RoomFixture(v10, { creator: bob }), new RoomFixture(v11, { creator: bob })]
    for (const room of [ten, eleven]) room.member(bob, 'join')
    expect([ten.try(topic), eleven.try(topic)]).toEqual(['allowed', 'sender.power'])
  })
})

const redaction = (target: string): Proto => ({ type: 'm.room.redaction', sender: carol, redacts: target as EventId })

describe('older versions', () => {
  test('before version 6, aliases belong to the server that their state key names', () => {
    const room = new RoomFixture(supportedRoomVersions[4] as RoomVersion)
    expect(room.try({ type: 'm.room.aliases', sender: carol, state_key: 'other.org' })).toBe('allowed')
    expect(room.try({ type: 'm.room.aliases', sender: carol, state_key: 'example.org' })).toBe('aliases.domain')
  })

  test('before version 3, redactions take power or the same server', () => {
    const room = new RoomFixture(supportedRoomVersions[1] as RoomVersion)
    room.member(carol, 'join')
    room.powerLevels({ users: { [alice]: 50 } })
    expect(room.try(redaction('$x:other.org'))).toBe('allowed')
    expect(room.try(redaction('$x:example.org'))).toBe('redaction.power')
    expect(room.try({ ...redaction('$x:other.org'), sender: alice })).toBe('allowed')
    // Ids that name no server name no common one.
    const nameless = { event_id: '$x' as EventId, redacts: '$y' as EventId }
    expect(room.try({ ...redaction(''), ...nameless })).toBe('redaction.power')
    const { redacts: _, ...withoutTarget } = redaction('')
    expect(room.try(withoutTarget)).toBe('redaction.power')
  })

  test('before version 10, text that looks like a power level is one', () => {
    const [nine, ten] = [supportedRoomVersions[8] as RoomVersion, v10].map((version) => new RoomFixture(version)) as [
      RoomFixture,
      RoomFixture,
    ]
    for (const room of [nine, ten]) room.powerLevels({ users: { [alice]: ' 60 ' } })
    const topic: Proto = { type: 'm.room.topic', state_key: '' }
    expect([nine.try(topic), ten.try(topic)]).toEqual(['allowed', 'sender.power'])
  })
})

describe('a redaction takes effect', () => {
  const room = new RoomFixture(v12)
  room.powerLevels({ users: { [carol]: 50 } })
  const target = room.event({ type: 'm.room.message', sender: alice }).pdu
  const applies = (proto: Partial<Proto>, of = target): boolean =>
    redactionApplies(room.event({ type: 'm.room.redaction', ...proto }).pdu, of, room.state, v12, room.context)

  test('when its sender may redact', () => {
    expect(applies({ sender: carol })).toBe(true)
    expect(applies({ sender: dave })).toBe(false)
  })
  test('when both come from one server', () => expect(applies({ sender: bob })).toBe(true))
  test('in its own room only', () => expect(applies({ sender: alice, room_id: oldRoomId })).toBe(false))
  test('never on the create event', () => expect(applies({ sender: alice }, room.createEvent.pdu)).toBe(false))

  test.each(supportedRoomVersions.filter(({ roomIdIsCreateEvent }) => !roomIdIsCreateEvent))(
    'never on the create event, version $id',
    (version) => {
      const old = new RoomFixture(version)
      const own = old.event({ type: 'm.room.redaction', sender: alice }).pdu
      expect(redactionApplies(own, old.createEvent.pdu, old.state, version, old.context)).toBe(false)
    },
  )

  test('by nobody from elsewhere in a room without a create event', () => {
    const old = new RoomFixture(v11)
    old.powerLevels({ users: { [carol]: 50 } })
    const message = old.event({ type: 'm.room.message', sender: alice }).pdu
    const by = (sender: typeof carol) => old.event({ type: 'm.room.redaction', sender }).pdu
    expect(redactionApplies(by(carol), message, old.state, v11, old.context)).toBe(true)
    expect(redactionApplies(by(carol), message, () => undefined, v11, old.context)).toBe(false)
    expect(redactionApplies(by(bob), message, () => undefined, v11, old.context)).toBe(true)
  })

  test('before version 3 wherever the auth rules let it in', () => {
    const version = supportedRoomVersions[1] as RoomVersion
    const old = new RoomFixture(version)
    const message = old.event({ type: 'm.room.message', sender: alice }).pdu
    expect(redactionApplies(old.event({ type: 'm.room.redaction', sender: dave }).pdu, message, old.state, version, old.context)).toBe(true)
  })
})
