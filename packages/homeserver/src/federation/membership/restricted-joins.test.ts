import { makeUserId, type RoomId, type UserId } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { ask } from '../settings.test-support.ts'
import { never } from '../simulated-server.test-support.ts'
import { change, join, makeRoom, membershipAt, setState, threeServers } from './rooms.test-support.ts'

const MINUTE_MS = 60_000
const UNKNOWN_ROOM = '!nobody-knows:this.example' as RoomId

function restrictedTo(rooms: readonly RoomId[], joinRule = 'restricted') {
  return { join_rule: joinRule, allow: rooms.map((roomId) => ({ type: 'm.room_membership', room_id: roomId })) }
}

describe.each([
  ['8', 'restricted'],
  ['9', 'restricted'],
  ['10', 'knock_restricted'],
  ['11', 'restricted'],
  ['12', 'knock_restricted'],
])('a room of version %s whose rule is %s', (version, joinRule) => {
  test('lets in whoever is in a room that it names, and nobody else', async () => {
    const { world, alice, bob, carol } = await threeServers()
    const space = await makeRoom(alice)
    const roomId = await makeRoom(alice, { version, joinRules: restrictedTo([UNKNOWN_ROOM, space], joinRule) })
    await join(world, bob, space, [alice])
    expect(await join(world, bob, roomId, [alice])).toEqual({ kind: 'joined', roomId })
    const member = bob.rooms.state(roomId)?.get('m.room.member', bob.user)
    expect(member?.pdu.content['join_authorised_via_users_server']).toBe(alice.user)
    expect(Object.keys(member?.pdu.signatures ?? {}).toSorted()).toEqual([alice.server, bob.server].toSorted())
    // One of the rooms named is not known to anybody here: nobody can say that its conditions are not met.
    expect(await join(world, carol, roomId, [alice, bob])).toMatchObject({ kind: 'refused', errcode: 'M_UNABLE_TO_AUTHORISE_JOIN' })
  })
})

describe('what a server answers of the conditions', () => {
  async function restricted(allow: (space: RoomId) => readonly RoomId[]) {
    const setting = await threeServers()
    const space = await makeRoom(setting.alice)
    const roomId = await makeRoom(setting.alice, { joinRules: restrictedTo(allow(space)) })
    const makeJoin = (of: 'alice' | 'bob', who: UserId) => {
      const path = `v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(who)}?ver=12`
      return ask(setting.world, setting.carol.identity, setting[of].server, 'GET', path)
    }
    return { ...setting, space, roomId, makeJoin }
  }

  test('none is met', async () => {
    const { carol, makeJoin } = await restricted((space) => [space])
    expect(await makeJoin('alice', carol.user)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })

  test('it knows none of the rooms', async () => {
    const { carol, makeJoin } = await restricted(() => [UNKNOWN_ROOM])
    expect(await makeJoin('alice', carol.user)).toMatchObject({ status: 400, body: { errcode: 'M_UNABLE_TO_AUTHORISE_JOIN' } })
  })

  test('one is met, and nobody there may invite', async () => {
    const { world, alice, bob, carol, space, roomId, makeJoin } = await restricted((named) => [named])
    await join(world, bob, space, [alice])
    await join(world, bob, roomId, [alice])
    await join(world, carol, space, [alice])
    await world.run(MINUTE_MS)
    expect(await makeJoin('bob', carol.user)).toMatchObject({ status: 400, body: { errcode: 'M_UNABLE_TO_GRANT_JOIN' } })
  })

  test('another server is asked then', async () => {
    const { world, alice, bob, carol, space, roomId } = await restricted((named) => [named])
    await join(world, bob, space, [alice])
    await join(world, bob, roomId, [alice])
    await join(world, carol, space, [alice])
    await world.run(MINUTE_MS)
    expect(await join(world, carol, roomId, [bob, alice])).toEqual({ kind: 'joined', roomId })
    const member = carol.rooms.state(roomId)?.get('m.room.member', carol.user)
    expect(member?.pdu.content['join_authorised_via_users_server']).toBe(alice.user)
  })

  test('whoever left a room that is named no longer meets its condition', async () => {
    const { world, alice, bob, space, roomId } = await restricted((named) => [named])
    await join(world, bob, space, [alice])
    await change(bob, space, bob.user, 'leave')
    await world.run(MINUTE_MS)
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'refused', errcode: 'M_FORBIDDEN' })
  })

  test('a condition that is met no longer when the join comes is met by nobody', async () => {
    const { world, alice, bob, space, roomId } = await restricted((named) => [named])
    await join(world, bob, space, [alice])
    const handler = alice.federation.serve
    alice.network.serve(async (origin, request) => {
      if (request.url.includes('/send_join/')) await change(alice, space, bob.user, 'leave', alice.user)
      return handler(origin, request)
    })
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'refused', errcode: 'M_FORBIDDEN' })
    expect(membershipAt(alice, roomId, bob.user)).toBeUndefined()
    expect(bob.rooms.has(roomId)).toBe(false)
  })

  test('a server vouches for nobody by a name that it was given', async () => {
    const { world, alice, bob, roomId } = await restricted((space) => [space])
    const content = { join_authorised_via_users_server: alice.user }
    const input = { roomId, userId: bob.user, via: [alice.server], content }
    expect(await world.finish(bob.federation.joinRoom(input, never))).toMatchObject({ kind: 'refused', errcode: 'M_FORBIDDEN' })
  })
})

describe('users of a server that is in the restricted room', () => {
  test('join by its own word where it may give that, and by the word of others where not', async () => {
    const { world, alice, bob } = await threeServers()
    const space = await makeRoom(alice)
    const roomId = await makeRoom(alice, { joinRules: restrictedTo([space]) })
    const second = makeUserId('second', alice.server)
    const joinAs = (server: typeof alice, userId: UserId) =>
      world.finish(server.federation.joinRoom({ roomId, userId, via: [], content: {} }, never))
    expect(await joinAs(alice, second)).toMatchObject({ kind: 'refused', errcode: 'M_FORBIDDEN' })
    await change(alice, space, second, 'join')
    expect(await joinAs(alice, second)).toEqual({ kind: 'joined', roomId })
    expect(alice.rooms.state(roomId)?.get('m.room.member', second)?.pdu.content['join_authorised_via_users_server']).toBe(alice.user)
    await join(world, bob, space, [alice])
    await join(world, bob, roomId, [alice])
    await world.run(MINUTE_MS)
    const friend = makeUserId('friend', bob.server)
    await change(bob, space, friend, 'join')
    await world.run(MINUTE_MS)
    expect(await joinAs(bob, friend)).toEqual({ kind: 'joined', roomId })
    expect(bob.rooms.state(roomId)?.get('m.room.member', friend)?.pdu.content['join_authorised_via_users_server']).toBe(alice.user)
    await world.runUntil(() => membershipAt(alice, roomId, friend) === 'join', MINUTE_MS, 'alice knows')
  })

  test('are invited as ever, whatever the conditions', async () => {
    const { world, alice, bob } = await threeServers()
    const roomId = await makeRoom(alice, { joinRules: restrictedTo([UNKNOWN_ROOM]) })
    await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: bob.user, content: {} }, never))
    expect(await join(world, bob, roomId, [])).toMatchObject({ kind: 'joined' })
    await setState(alice, roomId, 'm.room.topic', { topic: 'still here' })
  })
})
