import type { RoomId, UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { slidingRequestOf, slidingSyncSchema } from '../../client-api/sliding-sync-body.ts'
import { showsWhole } from './room-list.ts'
import type { RoomConfig } from './sliding-request.ts'
import { WantedStates } from './wanted-state.ts'

const me = '@me:x' as UserId

const combine = (configs: readonly RoomConfig[]) => new WantedStates().combine(configs)

function configOf(requiredState: unknown): RoomConfig {
  const body = v.parse(slidingSyncSchema, { lists: { all: { required_state: requiredState } } })
  const config = slidingRequestOf(body, me).lists.get('all')
  if (config === undefined) throw new Error('the list is there')
  return config
}

test.each([
  { of: [['*', '*']], members: true, own: true, name: true },
  {
    of: [
      ['*', '*'],
      ['m.room.member', '$LAZY'],
    ],
    members: false,
    own: false,
    name: true,
  },
  {
    of: [
      ['m.room.member', '$ME'],
      ['m.room.member', '$LAZY'],
    ],
    members: false,
    own: true,
    name: false,
  },
  { of: [['m.room.member', '*']], members: true, own: true, name: false },
  { of: [['*', '']], members: false, own: false, name: true },
  { of: { include: [{}], lazy_members: true }, members: false, own: false, name: true },
  { of: { include: [{}], exclude: [{ type: 'm.room.name' }] }, members: true, own: true, name: false },
  { of: { include: [{ state_key: me }] }, members: false, own: true, name: false },
  { of: [], members: false, own: false, name: false },
])('required state $of', ({ of, members, own, name }) => {
  const config = configOf(of)
  const { state } = combine([config])
  expect({
    members: state.has('m.room.member', '@other:x'),
    own: state.has('m.room.member', me),
    name: state.has('m.room.name', ''),
  }).toEqual({
    members,
    own,
    name,
  })
  // Of a room whose members are not all known only those see something who do not ask for all of them.
  expect(showsWhole({ isPartial: () => true }, '!room' as RoomId, config)).toBe(!members)
  expect(showsWhole({ isPartial: () => false }, '!room' as RoomId, config)).toBe(true)
})

test('what several ask for is what any of them asks for', () => {
  const lazy = configOf([['m.room.member', '$LAZY']])
  const { state, timelineLimit } = combine([lazy, { ...configOf([['m.room.member', '*']]), timelineLimit: 50 }, lazy])
  expect(state.has('m.room.member', '@other:x')).toBe(true)
  expect(state.lazyMembers).toBe(true)
  expect(timelineLimit).toBe(50)
  expect(combine([lazy, lazy]).state.name).toBe(combine([lazy]).state.name)
  expect(combine([configOf([])]).state.name).not.toBe(combine([lazy]).state.name)
})

test('a set is kept once and under a short name, however many rooms are told of by it and however long it is', () => {
  const long = (offset: number): RoomConfig =>
    configOf(Array.from({ length: 200 }, (_, index) => ['x'.repeat(255), String(offset + index).padStart(255, 'y')]))
  const wanted = new WantedStates()
  const [one, two] = [long(0), long(200)]
  const { state } = wanted.combine([one, two])
  expect(wanted.combine([two, one]).state).toBe(state)
  expect(state.name.length).toBeLessThan(50)
  wanted.begin()
  expect(wanted.combine([long(200), long(0), one]).state).toBe(state)
  wanted.begin()
  wanted.begin()
  const later = wanted.combine([one, two]).state
  expect(later).not.toBe(state)
  expect(later.name).toBe(state.name)
})

test('what a whole request asks for is bounded', () => {
  const subscriptions = (count: number) => ({
    room_subscriptions: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`!${index}:x`, { required_state: Array.from({ length: 200 }, () => ['a', 'b']) }]),
    ),
  })
  const lists = (count: number) => ({
    lists: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`${index}`, { filters: { spaces: Array.from({ length: 100 }, () => '!a:x') } }]),
    ),
  })
  const accepts = (body: object): boolean => v.is(slidingSyncSchema, body)
  expect([accepts(subscriptions(50)), accepts(subscriptions(51))]).toEqual([true, false])
  expect([accepts(lists(2)), accepts(lists(3))]).toEqual([true, false])
})
