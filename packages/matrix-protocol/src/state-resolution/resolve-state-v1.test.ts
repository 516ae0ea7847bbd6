import { describe, expect, test } from 'vitest'
import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { bob, carol, RoomFixture } from '../auth-rules/room-fixture.ts'
import { sha1Hex } from '../bytes/sha1.ts'
import { alice } from '../events/pdu-fixture.ts'
import { stateKeyOf, type StateMap } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { roomVersion, type RoomVersion } from '../room-versions/room-version.ts'
import { MissingEventError } from './event-graph.ts'
import { neededForResolution } from './needed-for-resolution.ts'
import { resolveState } from './resolve-state.ts'

const v1 = roomVersion('1') as RoomVersion

function stateOf(...events: readonly AuthEvent[]): StateMap<EventId> {
  return new Map(events.map(({ eventId, pdu }) => [stateKeyOf(pdu.type, pdu.state_key ?? ''), eventId]))
}

function resolve(known: readonly AuthEvent[], ...states: readonly StateMap<EventId>[]): StateMap<EventId> {
  const events = new Map(known.map((event) => [event.eventId, event]))
  return resolveState(v1, states, { event: (eventId) => events.get(eventId) })
}

/** Alice has 100, Bob 50 and Carol 0; all have joined. */
function room(): { fixture: RoomFixture; common: AuthEvent[]; powerLevels: AuthEvent } {
  const fixture = new RoomFixture(v1)
  const powerLevels = fixture.put({ type: 'm.room.power_levels', content: { users: { [alice]: 100, [bob]: 50 } }, depth: 3 })
  const common = [fixture.createEvent, fixture.member(alice, 'join'), fixture.member(bob, 'join'), fixture.member(carol, 'join')]
  return { fixture, common, powerLevels }
}

describe('state resolution of room version 1', () => {
  test('an entry that only some states have is no conflict', () => {
    const { fixture, common } = room()
    const topic = fixture.event({ type: 'm.room.topic', sender: carol, state_key: '' })
    // Carol may not set topics, yet nobody asks.
    expect(resolve([...common, topic], stateOf(...common), stateOf(...common, topic))).toEqual(stateOf(...common, topic))
  })

  test('power levels: from the shallowest on, each that the one before it allows', () => {
    const { fixture, common, powerLevels } = room()
    const raise = (sender: typeof bob, depth: number, level: number): AuthEvent =>
      fixture.event({
        type: 'm.room.power_levels',
        sender,
        state_key: '',
        depth,
        content: { users: { [alice]: 100, [bob]: 50, [carol]: level } },
      })
    const [allowed, denied, behind] = [raise(bob, 4, 50), raise(bob, 5, 75), raise(alice, 6, 10)] as const
    const known = [...common, powerLevels, allowed, denied, behind]
    const states = [powerLevels, allowed, denied, behind].map((event) => stateOf(...common, event))
    // What comes behind the first that is not allowed is not looked at.
    expect(resolve(known, ...states)).toEqual(stateOf(...common, allowed))
    expect(resolve(known, ...states.toReversed())).toEqual(stateOf(...common, allowed))
    expect(resolve(known, ...states.slice(0, 2), states[3] as StateMap<EventId>)).toEqual(stateOf(...common, behind))
  })

  test('memberships are decided under the power levels that were decided before', () => {
    const { fixture, common, powerLevels } = room()
    const demoted = fixture.event({ type: 'm.room.power_levels', state_key: '', depth: 9, content: { users: { [alice]: 100, [bob]: 0 } } })
    const kick = fixture.event({ type: 'm.room.member', sender: bob, state_key: carol, depth: 9, content: { membership: 'leave' } })
    const [create, aliceIn, bobIn, carolIn] = common as [AuthEvent, AuthEvent, AuthEvent, AuthEvent]
    const known = [...common, powerLevels, demoted, kick]
    const kicked = stateOf(create, aliceIn, bobIn, kick, powerLevels)
    expect(resolve(known, kicked, stateOf(...common, powerLevels))).toEqual(kicked)
    expect(resolve(known, kicked, stateOf(...common, demoted))).toEqual(stateOf(create, aliceIn, bobIn, carolIn, demoted))
  })

  test('join rules and memberships stop at the first that is not allowed; other entries go on', () => {
    const { fixture, common, powerLevels } = room()
    const always = [...common.slice(0, 3), powerLevels]
    const decided = (type: string, make: () => { state_key: string; content: JsonObject }): number => {
      const candidates = [alice, carol, alice].map((sender, index) => fixture.event({ type, sender, depth: 4 + index, ...make() }))
      const known = [...common, powerLevels, ...candidates]
      const resolved = resolve(known, ...candidates.map((each) => stateOf(...always, each)))
      const key = stateKeyOf(type, make().state_key)
      return candidates.findIndex(({ eventId }) => resolved.get(key) === eventId)
    }
    expect(decided('m.room.join_rules', () => ({ state_key: '', content: { join_rule: 'public' } }))).toBe(0)
    expect(decided('m.room.member', () => ({ state_key: carol, content: { membership: 'ban' } }))).toBe(0)
    expect(decided('m.room.power_levels', () => ({ state_key: '', content: { users: { [alice]: 100 } } }))).toBe(0)
    expect(decided('m.room.topic', () => ({ state_key: '', content: {} }))).toBe(2)
  })

  test('memberships are decided under the join rules that were decided before', () => {
    const { fixture, common, powerLevels } = room()
    const [closed, open] = ['invite', 'public'].map((rule, index) =>
      fixture.event({ type: 'm.room.join_rules', state_key: '', depth: 4 + index, content: { join_rule: rule } }),
    ) as [AuthEvent, AuthEvent]
    const dave = '@dave:other.org' as typeof carol
    const [left, joined] = ['leave', 'join'].map((membership, index) =>
      fixture.event({ type: 'm.room.member', sender: dave, state_key: dave, depth: 4 + index, content: { membership } }),
    ) as [AuthEvent, AuthEvent]
    const always = [...common, powerLevels]
    const known = [...always, closed, open, left, joined]
    const resolved = resolve(known, stateOf(...always, closed, joined), stateOf(...always, open, left))
    expect(resolved).toEqual(stateOf(...always, open, joined))
    // While the rule that ends up in force lets nobody in.
    const closedAgain = fixture.event({ type: 'm.room.join_rules', state_key: '', depth: 9, content: { join_rule: 'invite' } })
    const states = [stateOf(...always, closedAgain, joined), stateOf(...always, open, left)] as const
    expect(resolve([...known, closedAgain], ...states)).toEqual(stateOf(...always, closedAgain, left))
  })

  test('other entries: the deepest that is allowed, among equals the one with the lowest SHA-1, and the last when none is', () => {
    const { fixture, common, powerLevels } = room()
    const topic = (sender: typeof bob, depth: number): AuthEvent => fixture.event({ type: 'm.room.topic', sender, state_key: '', depth })
    const [shallow, deep, twin, denied] = [topic(bob, 4), topic(bob, 6), topic(alice, 6), topic(carol, 8)] as const
    const always = [...common, powerLevels]
    const known = [...always, shallow, deep, twin, denied]
    const resolved = (...topics: readonly AuthEvent[]): EventId | undefined =>
      resolve(known, ...topics.map((each) => stateOf(...always, each))).get(stateKeyOf('m.room.topic', ''))
    expect(resolved(shallow, deep, denied)).toBe(deep.eventId)
    const [lower] = [deep.eventId, twin.eventId].toSorted((x, y) => (sha1Hex(x) < sha1Hex(y) ? -1 : 1))
    expect(resolved(deep, twin)).toBe(lower)
    expect(resolved(twin, deep, shallow)).toBe(lower)
    const other = topic(carol, 7)
    known.push(other)
    expect(resolved(denied, other)).toBe(other.eventId)
  })

  test('needs the candidates and what authorises them, and no auth chains', () => {
    const { fixture, common, powerLevels } = room()
    const topics = [4, 5].map((depth) =>
      fixture.event({ type: 'm.room.topic', sender: bob, state_key: '', depth, auth_events: ['$nobody-has:example.org' as EventId] }),
    )
    const always = [...common, powerLevels]
    const states = topics.map((topic) => stateOf(...always, topic))
    const known = new Map([...always, ...topics].map((event) => [event.eventId, event]))
    const asked: EventId[][] = []
    const asking = neededForResolution(v1, states, () => undefined)
    let step = asking.next()
    while (step.done !== true) {
      asked.push([...step.value])
      step = asking.next(step.value.map((eventId) => known.get(eventId)).filter((event) => event !== undefined))
    }
    const loaded = step.value
    const [create, , bobIn] = common as [AuthEvent, AuthEvent, AuthEvent]
    expect(asked).toEqual([topics.map(({ eventId }) => eventId), [create.eventId, powerLevels.eventId, bobIn.eventId]])
    expect(resolveState(v1, states, { event: (eventId) => loaded.get(eventId) })).toEqual(states[1])
    expect(() => resolveState(v1, states, { event: () => undefined })).toThrow(MissingEventError)
  })
})

test('the SHA-1 is that of the id in UTF-8, in hexadecimal', () => {
  expect(sha1Hex('abc')).toBe('a9993e364706816aba3e25717850c26c9cd0d89d')
  expect(sha1Hex('')).toBe('da39a3ee5e6b4b0d3255bfef95601890afd80709')
})
