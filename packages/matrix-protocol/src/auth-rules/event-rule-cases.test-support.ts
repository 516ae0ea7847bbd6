import { alice, someReference } from '../events/pdu-fixture.ts'
import type { EventId, RoomId } from '../ids/ids.ts'
import type { Pdu } from '../events/pdu.ts'
import type { AuthEvent, AuthOutcome } from './auth-event.ts'
import { authorise } from './authorise.ts'
import { authoriseByAuthEvents } from './authorise-by-auth-events.ts'
import { bob, carol, type Proto, RoomFixture } from './room-fixture.ts'
import { bobWith, type RuleCases, type RulesOf, withAlice } from './rule-case.test-support.ts'

function create(room: RoomFixture, changes: Partial<Pdu> = {}): AuthOutcome {
  const content = { room_version: room.version.id, creator: alice }
  return room.decide({ type: 'm.room.create', state_key: '', prev_events: [], content, ...changes })
}

function createWith(room: RoomFixture, content: Pdu['content']): AuthOutcome {
  return create(room, { content: { room_version: room.version.id, creator: alice, ...content } })
}

export const createCases: RuleCases<RulesOf<'create'>> = {
  'create.prev-events': {
    says: 'a create event that follows something is rejected',
    hit: (room) => create(room, { prev_events: [someReference('p', room.version)] }),
    miss: create,
  },
  'create.room-id-domain': {
    says: "a create event for a room of another server's is rejected",
    hit: (room) => create(room, { room_id: '!room:other.org' as RoomId }),
    miss: create,
  },
  'create.room-id': {
    says: 'a create event that names a room is rejected',
    hit: (room) => create(room, { room_id: room.roomId }),
    miss: create,
  },
  'create.room-version': {
    says: 'a create event of a version that nobody knows is rejected',
    hit: (room) => createWith(room, { room_version: 'nonsense' }),
    miss: (room) => createWith(room, { room_version: '1' }),
  },
  'create.creator': {
    says: 'a create event without creator is rejected',
    hit: (room) => create(room, { content: { room_version: room.version.id } }),
    miss: create,
  },
  'create.additional-creators': {
    says: 'a create event with a creator who is no user is rejected',
    hit: (room) => createWith(room, { additional_creators: [bob, 'nobody'] }),
    miss: (room) => createWith(room, { additional_creators: [bob] }),
  },
  'create.allowed': {
    says: 'any other create event is allowed',
    hit: create,
    miss: (room) => create(room, { prev_events: [someReference('p', room.version)] }),
  },
}

const message: Proto = { type: 'm.room.message', content: { body: 'x' } }

export const roomCases: RuleCases<RulesOf<'room'>> = {
  'room.no-create-event': {
    says: 'an event in a room without create event is rejected',
    hit: (room) => {
      const lookUp = (type: string, stateKey: string): AuthEvent | undefined =>
        type === 'm.room.create' ? undefined : room.state(type, stateKey)
      return authorise(room.event(message), lookUp, room.version, { createEvent: undefined })
    },
    miss: (room) => room.decide(message),
  },
  'room.create-event-rejected': {
    says: 'an event in a room whose create event was rejected is rejected',
    hit: (room) => {
      room.rejectCreateEvent()
      return room.decide(message)
    },
    miss: (room) => room.decide(message),
  },
  'room.create-event-mismatch': {
    says: 'an event whose room id is not made of the create event is rejected',
    hit: (room) => room.decide({ ...message, room_id: `!${'X'.repeat(43)}` as RoomId }),
    miss: (room) => room.decide(message),
  },
  'room.not-federated': {
    says: 'an event from another server in a room of one server is rejected',
    hit: (room) => fromCarol(new RoomFixture(room.version, { 'm.federate': false })),
    miss: (room) => fromCarol(new RoomFixture(room.version, { 'm.federate': true })),
  },
}

function fromCarol(room: RoomFixture): AuthOutcome {
  room.member(carol, 'join')
  return room.decide({ ...message, sender: carol })
}

/** A message of Alice's, by what it cites. */
function citing(room: RoomFixture, change: (cited: readonly AuthEvent[]) => readonly AuthEvent[]): AuthOutcome {
  room.powerLevels(withAlice(room))
  return authoriseByAuthEvents(room.event(message), change(room.citedFor(message)), room.version, room.context)
}

const citingRight = (room: RoomFixture): AuthOutcome => citing(room, (cited) => cited)

export const authEventsCases: RuleCases<RulesOf<'auth-events'>> = {
  'auth-events.duplicate': {
    says: 'an event that cites two events for one entry of the state is rejected',
    hit: (room) => citing(room, (cited) => [...cited, ...cited.slice(-1).map((event) => ({ ...event, eventId: '$other' as EventId }))]),
    miss: citingRight,
  },
  'auth-events.unexpected': {
    says: 'an event that cites what does not authorise it is rejected',
    hit: (room) => citing(room, (cited) => [...cited, room.put({ type: 'm.room.topic' })]),
    miss: citingRight,
  },
  'auth-events.rejected': {
    says: 'an event that cites a rejected event is rejected',
    hit: (room) => citing(room, (cited) => cited.map((event, index) => ({ ...event, rejected: index === cited.length - 1 }))),
    miss: citingRight,
  },
  'auth-events.no-create-event': {
    says: 'an event that does not cite the create event is rejected',
    hit: (room) => citing(room, (cited) => cited.filter(({ pdu }) => pdu.type !== 'm.room.create')),
    miss: citingRight,
  },
  'auth-events.other-room': {
    says: 'an event that cites an event of another room is rejected',
    hit: (room) =>
      citing(room, (cited) => cited.map((event) => ({ ...event, pdu: { ...event.pdu, room_id: '!elsewhere:example.org' as RoomId } }))),
    miss: citingRight,
  },
}

function aliases(room: RoomFixture, changes: Partial<Pdu>): AuthOutcome {
  // Bob is no member: nothing but the domain counts.
  return room.decide({ type: 'm.room.aliases', sender: bob, ...changes })
}

export const aliasesCases: RuleCases<RulesOf<'aliases'>> = {
  'aliases.state-key': {
    says: 'aliases for no server are rejected',
    hit: (room) => aliases(room, {}),
    miss: (room) => aliases(room, { state_key: 'example.org' }),
  },
  'aliases.domain': {
    says: 'aliases for another server are rejected',
    hit: (room) => aliases(room, { state_key: 'other.org' }),
    miss: (room) => aliases(room, { state_key: 'example.org' }),
  },
  'aliases.allowed': {
    says: "aliases for the sender's server, whoever sends them, is allowed",
    hit: (room) => aliases(room, { state_key: 'example.org' }),
    miss: (room) => aliases(room, { state_key: 'other.org' }),
  },
}

const invitation: Proto = { type: 'm.room.third_party_invite', state_key: 'token' }
const redaction = (target: string): Proto => ({ type: 'm.room.redaction', redacts: target as EventId })

type OtherRule = RulesOf<'sender'> | RulesOf<'third-party-invite'> | RulesOf<'state-key'> | RulesOf<'redaction'> | RulesOf<'otherwise'>

export const otherCases: RuleCases<OtherRule> = {
  'sender.not-joined': {
    says: 'an event of somebody who is no member is rejected',
    hit: (room) => room.decide({ ...message, sender: bob }),
    miss: (room) => bobWith(room, 0).decide({ ...message, sender: bob }),
  },
  'third-party-invite.allowed': {
    says: 'inviting an address with the power to invite is allowed',
    hit: (room) => bobWith(room, 50, { invite: 50 }).decide({ ...invitation, sender: bob }),
    miss: (room) => bobWith(room, 49, { invite: 50 }).decide({ ...invitation, sender: bob }),
  },
  'third-party-invite.power': {
    says: 'inviting an address without the power to invite is rejected',
    hit: (room) => bobWith(room, 49, { invite: 50 }).decide({ ...invitation, sender: bob }),
    miss: (room) => bobWith(room, 50, { invite: 50 }).decide({ ...invitation, sender: bob }),
  },
  'sender.power': {
    says: 'an event without the power that its type takes is rejected',
    hit: (room) => bobWith(room, 9, { events: { 'm.room.message': 10 } }).decide({ ...message, sender: bob }),
    miss: (room) => bobWith(room, 10, { events: { 'm.room.message': 10 } }).decide({ ...message, sender: bob }),
  },
  'state-key.other-user': {
    says: 'state about another user is rejected',
    hit: (room) => room.decide({ type: 'org.example.state', state_key: bob }),
    miss: (room) => room.decide({ type: 'org.example.state', state_key: alice }),
  },
  'redaction.power.allowed': {
    says: 'redacting with the power to redact is allowed',
    hit: (room) => bobWith(room, 50).decide({ ...redaction('$x:other.org'), sender: bob }),
    miss: (room) => bobWith(room, 49).decide({ ...redaction('$x:other.org'), sender: bob }),
  },
  'redaction.own-server.allowed': {
    says: "redacting an event of the sender's own server is allowed",
    hit: (room) => bobWith(room, 0).decide({ ...redaction('$x:example.org'), sender: bob }),
    miss: (room) => bobWith(room, 0).decide({ ...redaction('$x:other.org'), sender: bob }),
  },
  'redaction.power': {
    says: "redacting another server's event without the power to redact is rejected",
    hit: (room) => bobWith(room, 0).decide({ ...redaction('$x:other.org'), sender: bob }),
    miss: (room) => bobWith(room, 0).decide({ ...redaction('$x:example.org'), sender: bob }),
  },
  'otherwise.allowed': {
    says: "a member's message is allowed",
    hit: (room) => room.decide(message),
    miss: (room) => room.decide({ ...message, sender: bob }),
  },
}
