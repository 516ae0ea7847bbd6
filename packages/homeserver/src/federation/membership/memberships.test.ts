import { supportedRoomVersions } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { ask, outboxCount, twoServersAndRelay } from '../settings.test-support.ts'
import { never } from '../simulated-server.test-support.ts'
import { change, crowdOf, invite, join, knock, leave, lie, makeRoom, membershipAt, setState, threeServers } from './rooms.test-support.ts'

const MINUTE_MS = 60_000

describe.each(supportedRoomVersions.map(({ id }) => id))('in a room of version %s', (version) => {
  test('somebody is invited, comes, talks, goes and comes again', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { version, joinRules: { join_rule: 'invite' } })
    expect(await invite(world, alice, roomId, bob)).toMatchObject({ kind: 'invited' })
    expect(bob.rooms.invite(roomId, bob.user)?.strippedState.map(({ type }) => type)).toContain('m.room.create')
    expect(await join(world, bob, roomId, [])).toEqual({ kind: 'joined', roomId })
    expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
    await alice.send(roomId, 'from alice')
    await bob.send(roomId, 'from bob')
    const talked = async () => (await alice.messages(roomId)).length === 2 && (await bob.messages(roomId)).length === 2
    await world.runUntil(talked, MINUTE_MS, 'both hear both')
    await change(bob, roomId, bob.user, 'leave')
    await world.runUntil(() => membershipAt(alice, roomId, bob.user) === 'leave', MINUTE_MS, 'alice hears of it')
    await setState(alice, roomId, 'm.room.join_rules', { join_rule: 'public' })
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'joined' })
    await bob.send(roomId, 'here again')
    await world.runUntil(async () => (await alice.messages(roomId)).includes('here again'), MINUTE_MS, 'they talk again')
  })

  test('an invite is declined, and a knock is taken where there are knocks', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { version, joinRules: { join_rule: 'knock' } })
    await invite(world, alice, roomId, bob)
    expect(await leave(world, bob, roomId)).toEqual({ kind: 'left' })
    expect(membershipAt(alice, roomId, bob.user)).toBe('leave')
    const knocking = supportedRoomVersions.find(({ id }) => id === version)?.knocking === true
    const knocked = await knock(world, bob, roomId, [alice])
    expect(knocked).toMatchObject(knocking ? { kind: 'knocked', roomId } : { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN' })
    expect(membershipAt(alice, roomId, bob.user)).toBe(knocking ? 'knock' : 'leave')
  })
})

describe('knocks', () => {
  async function knocked() {
    const setting = await twoServersAndRelay()
    const roomId = await makeRoom(setting.alice, { joinRules: { join_rule: 'knock' }, state: { 'm.room.name': { name: 'A room' } } })
    expect(await knock(setting.world, setting.bob, roomId, [setting.alice])).toEqual({ kind: 'knocked', roomId })
    return { ...setting, roomId }
  }

  test('show what the room is', async () => {
    const { bob, roomId } = await knocked()
    const stored = bob.rooms.knock(roomId, bob.user)
    expect(stored?.strippedState.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.room.create', 'm.room.name', 'm.room.join_rules']),
    )
    expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
  })

  test('are answered by an invite, and then the way is open', async () => {
    const { world, alice, bob, roomId } = await knocked()
    expect(await invite(world, alice, roomId, bob)).toMatchObject({ kind: 'invited' })
    expect([bob.rooms.knock(roomId, bob.user), bob.rooms.invite(roomId, bob.user)?.roomId]).toEqual([undefined, roomId])
    expect(await join(world, bob, roomId, [])).toMatchObject({ kind: 'joined' })
  })

  test.each(['leave', 'ban'])('are refused: %s', async (membership) => {
    const { world, alice, bob, roomId } = await knocked()
    await change(alice, roomId, bob.user, membership, alice.user)
    await world.runUntil(() => bob.rooms.knock(roomId, bob.user) === undefined, MINUTE_MS, 'bob hears of it')
    await world.runUntil(async () => (await outboxCount(alice)) === 0, 30 * MINUTE_MS, 'nothing waits any more')
  })

  test('are taken back', async () => {
    const { world, alice, bob, roomId } = await knocked()
    expect(await leave(world, bob, roomId)).toEqual({ kind: 'left' })
    expect(bob.rooms.knock(roomId, bob.user)).toBeUndefined()
    expect(membershipAt(alice, roomId, bob.user)).toBe('leave')
  })

  test('survive a restart, and are taken back while nobody answers', async () => {
    const { world, alice, bob, roomId } = await knocked()
    await bob.kill()
    await alice.kill()
    await bob.start()
    expect(bob.rooms.knock(roomId, bob.user)).toBeDefined()
    expect(await leave(world, bob, roomId)).toMatchObject({ kind: 'left-here' })
    expect(bob.rooms.knock(roomId, bob.user)).toBeUndefined()
    await alice.start()
    await world.runUntil(() => membershipAt(alice, roomId, bob.user) === 'leave', 30 * MINUTE_MS, 'alice hears of it later')
  })
})

describe('an invite', () => {
  test.each(supportedRoomVersions.map(({ id }) => id))(
    'is gone at once when nobody answers, and its server hears of that later, in version %s',
    async (version) => {
      const { world, alice, bob } = await twoServersAndRelay()
      const roomId = await makeRoom(alice, { version, joinRules: { join_rule: 'invite' } })
      await invite(world, alice, roomId, bob)
      await alice.kill()
      expect(await leave(world, bob, roomId)).toMatchObject({ kind: 'left-here' })
      expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
      await bob.kill()
      await bob.start()
      expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
      await alice.start()
      await world.runUntil(() => membershipAt(alice, roomId, bob.user) === 'leave', 30 * MINUTE_MS, 'alice hears of it')
      await world.run(MINUTE_MS)
      expect(await outboxCount(bob)).toBe(0)
    },
  )

  test('that was accepted meanwhile is not undone by a late word that it was declined', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    await invite(world, alice, roomId, bob)
    lie(alice, 'make_leave', async () => Response.json({}, { status: 500 }))
    expect(await leave(world, bob, roomId)).toMatchObject({ kind: 'left-here' })
    await world.run(MINUTE_MS)
    expect(membershipAt(alice, roomId, bob.user)).toBe('leave')
    await invite(world, alice, roomId, bob)
    expect(await join(world, bob, roomId, [])).toMatchObject({ kind: 'joined' })
    await world.run(MINUTE_MS)
    expect(membershipAt(alice, roomId, bob.user)).toBe('join')
  })

  test.each(['leave', 'ban'])('is withdrawn: %s', async (membership) => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    await invite(world, alice, roomId, bob)
    await change(alice, roomId, bob.user, membership, alice.user)
    await world.runUntil(() => bob.rooms.invite(roomId, bob.user) === undefined, MINUTE_MS, 'bob hears of it')
  })

  test('is withdrawn, also where the room was once left', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    await invite(world, alice, roomId, bob)
    await join(world, bob, roomId, [])
    await change(bob, roomId, bob.user, 'leave')
    await world.run(MINUTE_MS)
    expect(await invite(world, alice, roomId, bob)).toMatchObject({ kind: 'invited' })
    expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
    await change(alice, roomId, bob.user, 'leave', alice.user)
    await world.runUntil(() => bob.rooms.invite(roomId, bob.user) === undefined, MINUTE_MS, 'bob hears of it')
  })

  test('comes before the news that its user was put out of the room, and outlives them', async () => {
    const { world, relay, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice)
    await join(world, bob, roomId, [alice])
    await world.run(MINUTE_MS)
    await relay.kill()
    lie(bob, '/send/', async () => Response.json({}, { status: 500 }))
    for (const membership of ['ban', 'leave']) await change(alice, roomId, bob.user, membership, alice.user)
    expect(await invite(world, alice, roomId, bob)).toMatchObject({ kind: 'invited' })
    expect(membershipAt(bob, roomId, bob.user)).toBe('join')
    bob.network.serve(bob.federation.serve)
    await world.runUntil(() => membershipAt(bob, roomId, bob.user) !== 'join', 30 * MINUTE_MS, 'bob hears of it')
    await world.runUntil(async () => (await outboxCount(alice)) === 0, 30 * MINUTE_MS, 'bob hears of all')
    expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
    expect(await join(world, bob, roomId, [])).toMatchObject({ kind: 'joined' })
    expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
  })

  test('is refused for a user who does not exist, and stands nowhere then', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice)
    const [nobody] = crowdOf(bob, 1)
    const input = { roomId, sender: alice.user, invitee: nobody ?? bob.user, content: {} }
    expect(await world.finish(alice.federation.invite(input, never))).toMatchObject({ kind: 'refused', status: 403 })
    expect(membershipAt(alice, roomId, input.invitee)).toBeUndefined()
  })

  test.each(['1', '2'])('reaches a server that knows only the first version of the endpoint, for room version %s', async (version) => {
    const { world, alice, bob } = await twoServersAndRelay()
    lie(bob, '/v2/invite/', async () => Response.json({ errcode: 'M_UNRECOGNIZED', error: '' }, { status: 404 }))
    const roomId = await makeRoom(alice, { version, joinRules: { join_rule: 'invite' } })
    expect(await invite(world, alice, roomId, bob)).toMatchObject({ kind: 'invited' })
    expect(bob.rooms.invite(roomId, bob.user)?.version).toBe(version)
  })
})

describe('older servers', () => {
  test('are joined and left by the first version of the endpoints', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await makeRoom(alice)
    lie(alice, '/v2/send_', async () => Response.json({ errcode: 'M_UNRECOGNIZED', error: '' }, { status: 404 }))
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'joined' })
    expect(bob.rooms.state(roomId)?.size).toBe(alice.rooms.state(roomId)?.size)
  })
})

describe('server ACLs', () => {
  test('shut a server out of all that concerns the room', async () => {
    const { world, alice, bob, carol } = await threeServers()
    const roomId = await makeRoom(alice)
    await join(world, bob, roomId, [alice])
    const eventId = await alice.send(roomId, 'before')
    await world.run(MINUTE_MS)
    await setState(alice, roomId, 'm.room.server_acl', { allow: ['*'], deny: [bob.server, carol.server] })
    await world.run(MINUTE_MS)
    expect(await join(world, carol, roomId, [alice])).toMatchObject({ kind: 'refused', errcode: 'M_FORBIDDEN' })
    const room = encodeURIComponent(roomId)
    const event = encodeURIComponent(eventId)
    const paths = [
      ['GET', `v1/make_join/${room}/${carol.user}?ver=12`],
      ['GET', `v1/make_knock/${room}/${carol.user}?ver=12`],
      ['GET', `v1/make_leave/${room}/${bob.user}`],
      ['GET', `v1/state/${room}?event_id=${event}`],
      ['GET', `v1/state_ids/${room}?event_id=${event}`],
      ['GET', `v1/event_auth/${room}/${event}`],
      ['GET', `v1/backfill/${room}?v=${event}&limit=1`],
      ['GET', `v1/event/${event}`],
      ['GET', `v1/hierarchy/${room}`],
      ['GET', `v1/timestamp_to_event/${room}?ts=0&dir=f`],
    ] as const
    for (const [method, path] of paths) {
      const who = path.includes(carol.server) ? carol : bob
      const answer = await ask(world, who.identity, alice.server, method, path)
      expect([path, answer.status, answer.body['errcode']]).toEqual([path, 403, 'M_FORBIDDEN'])
    }
    for (const [method, path] of [
      ['PUT', `v2/send_join/${room}/$x`],
      ['PUT', `v2/send_leave/${room}/$x`],
      ['PUT', `v1/send_knock/${room}/$x`],
      ['POST', `v1/get_missing_events/${room}`],
    ] as const) {
      const body = { earliest_events: [], latest_events: [eventId] }
      const answer = await ask(world, bob.identity, alice.server, method, path, body)
      expect([path, answer.status, answer.body['errcode']]).toEqual([path, 403, 'M_FORBIDDEN'])
    }
  })
})
