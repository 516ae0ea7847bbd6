import { expect, test } from 'vitest'
import { bob, type Proto, RoomFixture } from '../auth-rules/room-fixture.ts'
import { alice } from '../events/pdu-fixture.ts'
import type { UserId } from '../ids/ids.ts'
import { roomVersion, type RoomVersion } from '../room-versions/room-version.ts'
import { EventGraph } from './event-graph.ts'
import { powerOrder } from './power-order.ts'

const v12 = roomVersion('12') as RoomVersion
const member = (sender: UserId, membership: string): Proto => ({ type: 'm.room.member', sender, state_key: bob, content: { membership } })

/** Those that are power events, each taken for all that is conflicted. */
function powerEventsAmong(protos: readonly Proto[]): Proto[] {
  const room = new RoomFixture(v12)
  return protos.filter((proto) => {
    const event = room.event(proto)
    const graph = new EventGraph({ event: (eventId) => (eventId === event.eventId ? event : room.createEvent) }, v12)
    return powerOrder(new Set([event.eventId]), graph).length === 1
  })
}

// https://spec.matrix.org/latest/rooms/v2/#definitions
test('power events are power levels, join rules, kicks and bans', () => {
  const powerEvents: Proto[] = [
    { type: 'm.room.power_levels', state_key: '' },
    { type: 'm.room.join_rules', state_key: '' },
    member(alice, 'leave'),
    member(alice, 'ban'),
  ]
  const others: Proto[] = [
    { type: 'm.room.power_levels', state_key: 'x' },
    { type: 'm.room.join_rules', state_key: 'x' },
    { type: 'm.room.power_levels' },
    { type: 'm.room.topic', state_key: '' },
    { type: 'org.example.member', state_key: bob, content: { membership: 'ban' } },
    { type: 'm.room.member', content: { membership: 'ban' } },
    member(bob, 'leave'),
    member(alice, 'invite'),
    member(bob, 'join'),
    { type: 'm.room.member', state_key: bob, content: {} },
  ]
  expect(powerEventsAmong([...others, ...powerEvents])).toEqual(powerEvents)
})
