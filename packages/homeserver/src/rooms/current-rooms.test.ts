import { type RoomId, roomVersion, type ServerName, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import { SeededRandom } from '@kith/testkit/seeded-random'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deliverShuffled, openWorld, step, take, type World } from './generated-world.test-support.ts'
import { CurrentRooms } from './current-rooms.ts'
import { Room } from './room.ts'
import { IndexedState, type Membership } from './room-state.ts'
import { joinPartially, joinRemotely, RoomServer, signal, stateBeforeFrom } from './room-servers.test-support.ts'
import { EMPTY_STATE } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

/** What a look at the state of every room says. */
function joinedByStates({ rooms }: RoomServer, userId: UserId): RoomId[] {
  return rooms.roomIds().filter((roomId) => rooms.state(roomId)?.membershipOf(userId) === 'join')
}

function expectSame(servers: readonly RoomServer[], users: readonly UserId[]): void {
  for (const server of servers) {
    for (const roomId of server.rooms.roomIds()) {
      const state = server.rooms.state(roomId)!
      const count = (membership: Membership): number => [...state.members(membership)].length
      expect([state.joinedTotal, state.invitedTotal]).toEqual([count('join'), count('invite')])
    }
    for (const userId of users) {
      const expected = joinedByStates(server, userId)
      expect(server.rooms.joinedRooms(userId).toSorted()).toEqual(expected.toSorted())
      expect(server.rooms.isInRooms(userId)).toBe(expected.length > 0)
    }
  }
}

test(
  'in which rooms a user is joined, and how many are in each, is what the states of all rooms say, whatever happens in them',
  { timeout: 120_000 },
  async () => {
    let left = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), fc.nat(), async (steps, seed) => {
        const world: World = await openWorld('11')
        const { servers, users } = world
        await servers[0]!.createRoom(users[0]!)
        for (const [index, each] of steps.entries()) {
          await take(world, each, index)
          expectSame(servers, users)
        }
        for (const server of servers) await deliverShuffled(world, server, new SeededRandom(seed))
        expectSame(servers, users)
        if (users.some((userId) => !servers[0]!.rooms.isInRooms(userId))) left++
        for (const server of servers) await server.restart()
        expectSame(servers, users)
      }),
      { numRuns: 20 },
    )
    expect(left).toBeGreaterThan(0)
  },
)

test('it follows a room that another takes the place of: joined anew, and made whole', async () => {
  const [a, b] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, bob, beth] = [a.user('alice'), b.user('bob'), b.user('beth')]
  const roomId = await a.createRoom(alice)
  const joined = await joinPartially(b, bob, a, roomId)
  expectSame([a, b], [alice, bob, beth])
  await b.rooms.completeState(roomId, await stateBeforeFrom(a, joined), async () => {}, signal)
  expect(b.rooms.isPartial(roomId)).toBe(false)
  expectSame([a, b], [alice, bob, beth])
  await b.setMembership(roomId, bob, bob, 'leave')
  expectSame([b], [bob])
  await joinRemotely(b, beth, a, roomId)
  expectSame([b], [alice, bob, beth])
  await b.setMembership(roomId, beth, beth, 'leave')
  expect(b.rooms.isInRooms(beth)).toBe(false)
})

test('a room that another took the place of has no say any more', () => {
  const [server, roomId] = ['example.org' as ServerName, '!room:example.org' as RoomId]
  const [alice, bob] = [`@alice:${server}` as UserId, `@bob:${server}` as UserId]
  const joinOf = (userId: UserId): StoredEvent =>
    ({ eventId: `$${userId}`, roomId, pdu: { type: 'm.room.member', state_key: userId, content: { membership: 'join' } } }) as never
  const roomOf = (...userIds: UserId[]): Room => {
    const state = IndexedState.of(userIds.map((userId) => [stateKeyOf('m.room.member', userId), joinOf(userId)]))
    return new Room(roomId, roomVersion('12')!, { version: '12', depth: 0, extremities: [], state: EMPTY_STATE }, state)
  }
  const [old, next] = [roomOf(alice, bob), roomOf(bob)]
  const rooms = new CurrentRooms(server, [old])
  expect([rooms.joinedBy(alice), rooms.joinedBy(bob)]).toEqual([[roomId], [roomId]])
  rooms.show(next)
  expect([rooms.joinedBy(alice), rooms.joinedBy(bob)]).toEqual([[], [roomId]])
  old.state.delete(stateKeyOf('m.room.member', bob))
  expect(rooms.isJoinedAnywhere(bob)).toBe(true)
  next.state.delete(stateKeyOf('m.room.member', bob))
  expect(rooms.isJoinedAnywhere(bob)).toBe(false)
})
