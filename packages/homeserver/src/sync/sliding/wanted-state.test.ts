import type { RoomId, UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import { slidingRequestOf, slidingSyncSchema } from '../../client-api/sliding-sync-body.ts'
import { showsWhole } from './room-list.ts'
import type { RoomConfig } from './sliding-request.ts'
import { combine } from './wanted-state.ts'

const me = '@me:x' as UserId

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
})
