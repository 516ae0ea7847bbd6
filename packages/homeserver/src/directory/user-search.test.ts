import type { EventDraft } from '../rooms/index.ts'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { joinRemotely, RoomServer } from '../rooms/room-servers.test-support.ts'
import { searchUsers } from './user-search.ts'

const closed: EventDraft = { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } }
const readable: EventDraft = { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'world_readable' } }

test('users of other servers are found in rooms with the searcher, and in those that anybody may enter or read, and nowhere else', async () => {
  const [here, there] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, carol] = [here.user('alice'), here.user('carol')]
  const bob = there.user('bob')
  const find = (searcher: typeof alice): string[] =>
    searchUsers(here.rooms, { searcher, term: 'bob', limit: 10, local: [] }).results.map(({ user_id }) => user_id)
  const roomId = await here.createRoom(alice)
  await joinRemotely(there, bob, here, roomId)
  expect([find(alice), find(carol)]).toEqual([[bob], [bob]])
  await here.send(roomId, alice, closed)
  expect([find(alice), find(carol)]).toEqual([[bob], []])
  await here.send(roomId, alice, readable)
  expect(find(carol)).toEqual([bob])
  await here.setMembership(roomId, alice, bob, 'leave')
  expect([find(alice), find(carol)]).toEqual([[], []])
})

test('what users of this server are called in a room does not stand for their profile', async () => {
  const here = await RoomServer.open(1)
  const alice = here.user('alice')
  const roomId = await here.createRoom(alice)
  await here.send(roomId, alice, { type: 'm.room.member', stateKey: alice, content: { membership: 'join', displayname: 'Secret' } })
  const find = (term: string): number =>
    searchUsers(here.rooms, { searcher: alice, term, limit: 10, local: [[alice, { displayname: 'Alice' }]] }).results.length
  expect([find('alice'), find('secret')]).toEqual([1, 0])
})

test('of a long term only the first words count', async () => {
  const here = await RoomServer.open(1)
  const alice = here.user('alice')
  const { searchTermWordsMax } = limits.implementation
  const find = (term: string): number =>
    searchUsers(here.rooms, { searcher: alice, term, limit: 10, local: [[alice, { displayname: 'Alice' }]] }).results.length
  const words = (count: number): string => Array.from({ length: count }, () => 'alice').join(' ')
  expect([find(`${words(searchTermWordsMax)} bob`), find(`${words(searchTermWordsMax - 1)} bob`)]).toEqual([1, 0])
})
