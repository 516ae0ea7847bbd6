import { describe, expect, test } from 'vitest'
import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { bob, carol, RoomFixture } from '../auth-rules/room-fixture.ts'
import { alice } from '../events/pdu-fixture.ts'
import { stateKeyOf, type StateMap } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import { roomVersion, type RoomVersion } from '../room-versions/room-version.ts'
import { MissingEventError } from './event-graph.ts'
import { neededForResolution } from './needed-for-resolution.ts'
import { resolveState } from './resolve-state.ts'

const v12 = roomVersion('12') as RoomVersion

function stateOf(...events: readonly AuthEvent[]): StateMap<EventId> {
  return new Map(events.map(({ eventId, pdu }) => [stateKeyOf(pdu.type, pdu.state_key ?? ''), eventId]))
}

function lookupIn(...events: readonly AuthEvent[]): { event: (eventId: EventId) => AuthEvent | undefined } {
  const known = new Map(events.map((event) => [event.eventId, event]))
  return { event: (eventId) => known.get(eventId) }
}

/** A room of version 12 in which Bob, with power 50, and Alice, who created it, did something at the same time. */
function fork() {
  const room = new RoomFixture(v12)
  const joined = room.member(alice, 'join')
  const powerLevels = room.put({ type: 'm.room.power_levels', content: { users: { [bob]: 50 } }, auth_events: [joined.eventId] })
  const bobJoined = room.put({
    type: 'm.room.member',
    sender: bob,
    state_key: bob,
    content: { membership: 'join' },
    auth_events: [powerLevels.eventId, room.joinRule('public').eventId],
  })
  const joinRule = room.state('m.room.join_rules', '') as AuthEvent
  const topic = room.event({ type: 'm.room.topic', sender: bob, state_key: '', auth_events: [powerLevels.eventId, bobJoined.eventId] })
  const ban = room.event({
    type: 'm.room.member',
    state_key: bob,
    content: { membership: 'ban' },
    auth_events: [joined.eventId, powerLevels.eventId, bobJoined.eventId],
    origin_server_ts: 9,
  })
  const common = [room.createEvent, joined, powerLevels, joinRule]
  return { room, common, bobJoined, topic, ban, all: [...common, bobJoined, topic, ban] }
}

describe('resolving', () => {
  test('nothing gives nothing, one state gives itself, equal states need no look-up', () => {
    const { common } = fork()
    const state = stateOf(...common)
    expect(resolveState(v12, [], lookupIn())).toEqual(new Map())
    expect(resolveState(v12, [state], lookupIn())).toEqual(state)
    expect(resolveState(v12, [state, new Map(state)], lookupIn())).toEqual(state)
  })

  test('a ban wins over what the banned did meanwhile', () => {
    const { common, bobJoined, topic, ban, all } = fork()
    const states = [stateOf(...common, bobJoined, topic), stateOf(...common, ban)]
    expect(resolveState(v12, states, lookupIn(...all))).toEqual(stateOf(...common, ban))
  })

  test('does not change the states it was given', () => {
    const { common, bobJoined, topic, ban, all } = fork()
    const states = [stateOf(...common, bobJoined, topic), stateOf(...common, ban)]
    const before = states.map((state) => new Map(state))
    resolveState(v12, states, lookupIn(...all))
    expect(states).toEqual(before)
  })

  test('says which event is missing', () => {
    const { common, bobJoined, topic, ban, all } = fork()
    const states = [stateOf(...common, bobJoined, topic), stateOf(...common, ban)]
    const lookup = lookupIn(...all.filter((event) => event !== bobJoined))
    expect(() => resolveState(v12, states, lookup)).toThrow(MissingEventError)
    expect(() => resolveState(v12, states, lookup)).toThrow(bobJoined.eventId)
  })

  test('rejected events are not used to authorise others', () => {
    const { room, common, bobJoined, topic, all } = fork()
    const later = room.event({ ...topic.pdu, origin_server_ts: 5 })
    // Both topics cite Bob's join, so that it is in neither of what is conflicted.
    const states = [stateOf(...common, topic), stateOf(...common, later)]
    expect(resolveState(v12, states, lookupIn(...all, later))).toEqual(stateOf(...common, later))
    const rejected = all.map((event) => (event === bobJoined ? { ...event, rejected: true } : event))
    expect(resolveState(v12, states, lookupIn(...rejected, later))).toEqual(stateOf(...common))
  })
})

test('the longest chains of events do not exhaust the stack', () => {
  const { room, common, bobJoined, all } = fork()
  const joined = common[1] as AuthEvent
  const chain = [common[2] as AuthEvent]
  for (let count = 0; count < 20_000; count++) {
    const previous = chain.at(-1) as AuthEvent
    const content = { users: { [bob]: 50, [carol]: count % 50 } }
    chain.push(room.event({ type: 'm.room.power_levels', state_key: '', content, auth_events: [joined.eventId, previous.eventId] }))
  }
  const last = chain.at(-1) as AuthEvent
  const topic = room.event({ type: 'm.room.topic', sender: bob, state_key: '', auth_events: [last.eventId, bobJoined.eventId] })
  const states = [stateOf(...common, bobJoined), stateOf(...common, bobJoined, last, topic)]
  const resolved = resolveState(v12, states, lookupIn(...all, ...chain, topic))
  expect(resolved).toEqual(stateOf(...common, bobJoined, last, topic))
})

describe('what resolution needs', () => {
  test('is asked for once, level by level, and what is known is not asked for', () => {
    const { common, bobJoined, topic, ban, all } = fork()
    const states = [stateOf(...common, bobJoined, topic), stateOf(...common, ban)]
    const { event } = lookupIn(...all)
    const asked: EventId[] = []
    const asking = neededForResolution(v12, states, (eventId) => (eventId === topic.eventId ? topic : undefined))
    let step = asking.next()
    while (step.done !== true) {
      asked.push(...step.value)
      step = asking.next(step.value.map((eventId) => event(eventId)).filter((found) => found !== undefined))
    }
    expect(asked.toSorted()).toEqual(
      all
        .filter((each) => each !== topic)
        .map(({ eventId }) => eventId)
        .toSorted(),
    )
    expect([...step.value.keys()].toSorted()).toEqual(all.map(({ eventId }) => eventId).toSorted())
  })

  test('is nothing when the states agree', () => {
    const state = stateOf(...fork().common)
    expect(neededForResolution(v12, [state, new Map(state)], () => undefined).next()).toEqual({ done: true, value: new Map() })
  })

  test('comes to an end when nothing is found', () => {
    const { common, ban } = fork()
    const asking = neededForResolution(v12, [stateOf(...common), stateOf(ban)], () => undefined)
    expect(asking.next().done).toBe(false)
    expect(asking.next([])).toEqual({ done: true, value: new Map() })
  })
})
