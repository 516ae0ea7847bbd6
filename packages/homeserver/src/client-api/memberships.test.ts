import type { UserId } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { describe, expect, test } from 'vitest'
import { change, lie, makeRoom, membershipAt, setState } from '../federation/membership/rooms.test-support.ts'
import { never, SimulatedServer } from '../federation/simulated-server.test-support.ts'
import { limits } from '../limits.ts'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

const MINUTE_MS = 60_000
const LAZY = { filter: JSON.stringify({ room: { state: { lazy_load_members: true } } }) }

/** Bob with his client at a whole homeserver, and alice's server, which speaks federation only. */
async function bobAndAlice() {
  const world = new SimulatedWorld(3)
  const alice = await new SimulatedServer(world, 'alice', []).start()
  const node = new TestNode(world)
  await node.start()
  const bob = await node.register('bob')
  await world.run(1_000)
  const userId = bob.userId as UserId
  /** A request during which the world goes on. */
  const ask = (method: string, path: string, body: unknown = {}) =>
    world.finish(bob.call(method, path, method === 'GET' ? undefined : body))
  const via = `via=${alice.server}`
  return { world, alice, node, bob, userId, ask, via }
}

async function roomOf(bob: TestUser, section: string, roomId: string): Promise<Json> {
  return (await bob.sync()).rooms[section][roomId]
}

describe('knocking', () => {
  async function knocked() {
    const setting = await bobAndAlice()
    const roomId = await makeRoom(setting.alice, { joinRules: { join_rule: 'knock' }, state: { 'm.room.name': { name: 'Quiet' } } })
    const answer = await setting.ask('POST', `/knock/${encodeURIComponent(roomId)}?${setting.via}`, { reason: 'let me in' })
    expect(answer).toEqual({ status: 200, body: { room_id: roomId } })
    return { ...setting, roomId }
  }

  test('at a room of another server: sync shows it, and the invite that answers it', async () => {
    const { world, alice, bob, userId, roomId, ask } = await knocked()
    expect(alice.rooms.state(roomId)?.get('m.room.member', userId)?.pdu.content).toMatchObject({ membership: 'knock', reason: 'let me in' })
    const { next_batch: since, rooms } = await bob.sync()
    const events: Json[] = rooms.knock[roomId].knock_state.events
    expect(events.find(({ type }) => type === 'm.room.name').content).toEqual({ name: 'Quiet' })
    expect(events.find(({ state_key: key }) => key === userId).content.membership).toBe('knock')
    await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: userId, content: {} }, never))
    const next = await bob.sync(since)
    expect([Object.keys(next.rooms.invite), Object.keys(next.rooms.knock)]).toEqual([[roomId], []])
    expect((await ask('POST', `/join/${encodeURIComponent(roomId)}`)).status).toBe(200)
    expect(await roomOf(bob, 'join', roomId)).toBeDefined()
  })

  test.each(['refused', 'taken back'])('at a room of another server: %s, it goes', async (end) => {
    const { world, alice, bob, userId, roomId, ask } = await knocked()
    const { next_batch: since } = await bob.sync()
    if (end === 'taken back') await ask('POST', `/rooms/${encodeURIComponent(roomId)}/leave`)
    else await change(alice, roomId, userId, 'leave', alice.user)
    await world.run(MINUTE_MS)
    const next = await bob.sync(since)
    expect([Object.keys(next.rooms.leave), Object.keys(next.rooms.knock)]).toEqual([[roomId], []])
    expect(membershipAt(alice, roomId, userId)).toBe('leave')
    expect(await roomOf(bob, 'knock', roomId)).toBeUndefined()
  })

  test('where nobody may, or at what nobody knows, says why', async () => {
    const { alice, ask, via } = await bobAndAlice()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    const answers = [
      await ask('POST', `/knock/${encodeURIComponent(roomId)}?${via}`),
      await ask('POST', `/knock/${encodeURIComponent(roomId)}`),
      await ask('POST', `/knock/nonsense?${via}`),
      await ask('POST', `/knock/${encodeURIComponent('!unknown:room.example')}?${via}`),
    ]
    expect(answers.map(({ status, body }) => [status, body.errcode])).toEqual([
      [403, 'M_FORBIDDEN'],
      [404, 'M_NOT_FOUND'],
      [400, 'M_INVALID_PARAM'],
      [404, 'M_NOT_FOUND'],
    ])
  })

  test('at a room of the own server', async () => {
    const { node, bob } = await bobAndAlice()
    const carol = await node.register('carol')
    const rule = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }
    const roomId = await bob.createRoom({ initial_state: [rule] })
    await carol.ok('POST', `/knock/${encodeURIComponent(roomId)}`, {})
    expect(await roomOf(carol, 'knock', roomId)).toBeDefined()
    await bob.ok('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: carol.userId })
    await carol.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})
  })
})

describe('an invite', () => {
  test('is gone from the client at once, though nobody can be told', async () => {
    const { world, alice, bob, userId, ask } = await bobAndAlice()
    const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
    await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: userId, content: {} }, never))
    expect(await roomOf(bob, 'invite', roomId)).toBeDefined()
    await alice.kill()
    expect((await ask('POST', `/rooms/${encodeURIComponent(roomId)}/leave`)).status).toBe(200)
    expect(await roomOf(bob, 'invite', roomId)).toBeUndefined()
    await alice.start()
    await world.runUntil(() => membershipAt(alice, roomId, userId) === 'leave', 60 * MINUTE_MS, 'alice hears of it')
  })

  test('reaches nobody who takes none', async () => {
    const { world, alice, node, bob, userId } = await bobAndAlice()
    const path = `/user/${encodeURIComponent(userId)}/account_data/m.invite_permission_config`
    await bob.ok('PUT', path, { default_action: 'block' })
    const roomId = await makeRoom(alice)
    const invite = () => world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: userId, content: {} }, never))
    expect(await invite()).toMatchObject({ kind: 'refused', status: 403, errcode: 'M_INVITE_BLOCKED' })
    const carol = await node.register('carol')
    const room = encodeURIComponent(await carol.createRoom())
    expect(await carol.call('POST', `/rooms/${room}/invite`, { user_id: userId })).toMatchObject({
      status: 403,
      body: { errcode: 'M_INVITE_BLOCKED' },
    })
    await bob.ok('PUT', path, { default_action: 'allow' })
    expect(await invite()).toMatchObject({ kind: 'invited' })
  })

  test('by address takes an identity server, of which there is none', async () => {
    const { bob } = await bobAndAlice()
    const roomId = encodeURIComponent(await bob.createRoom())
    const body = { id_server: 'id.example', id_access_token: 'x', medium: 'email', address: 'a@example.org' }
    expect(await bob.call('POST', `/rooms/${roomId}/invite`, body)).toMatchObject({
      status: 400,
      body: { errcode: 'M_SERVER_NOT_TRUSTED' },
    })
    expect((await bob.call('POST', `/rooms/${roomId}/invite`, {})).status).toBe(400)
  })
})

test('nobody shuts their own server out', async () => {
  const { bob, node } = await bobAndAlice()
  const path = `/rooms/${encodeURIComponent(await bob.createRoom())}/state/m.room.server_acl`
  for (const acl of [{}, { allow: ['other.example'] }, { allow: ['*'], deny: ['k5*'] }]) {
    expect(await bob.call('PUT', path, acl)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
  }
  await bob.ok('PUT', path, { allow: [node.identity.server, '*.example'], deny: ['evil.example'] })
})

test('a refused join tells the client what it must know', async () => {
  const { alice, ask, via } = await bobAndAlice()
  lie(alice, '/make_join/', async () =>
    Response.json({ errcode: 'M_INCOMPATIBLE_ROOM_VERSION', error: 'no', room_version: '99' }, { status: 400 }),
  )
  const roomId = await makeRoom(alice)
  expect(await ask('POST', `/join/${encodeURIComponent(roomId)}?${via}`)).toMatchObject({ status: 400, body: { room_version: '99' } })
  lie(alice, '/make_join/', async () => Response.json({ errcode: 'M_INVALID_PARAM', error: 'no' }, { status: 400 }))
  expect((await ask('POST', `/join/${encodeURIComponent(roomId)}?${via}`)).status).toBe(504)
})

describe('a room that was joined without most of its members', () => {
  async function joined() {
    const setting = await bobAndAlice()
    const { alice, ask, via } = setting
    const roomId = await makeRoom(alice, { crowd: limits.implementation.joinMembersWholeMax + 5 })
    await setState(alice, roomId, 'm.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' })
    const { next_batch: since } = await setting.bob.sync()
    const { next_batch: lazySince } = await setting.bob.sync(undefined, LAZY)
    lie(alice, '/state', async () => Response.json({ errcode: 'M_UNKNOWN', error: 'not now' }, { status: 500 }))
    expect((await ask('POST', `/join/${encodeURIComponent(roomId)}?${via}`)).status).toBe(200)
    const heal = () => lie(alice, 'nothing', (honest) => honest())
    const size = alice.rooms.state(roomId)?.size ?? 0
    return { ...setting, roomId, room: encodeURIComponent(roomId), since, lazySince, heal, size }
  }

  test('is shown at once to clients that load members, and to others when it is whole', async () => {
    const { world, bob, roomId, room, since, lazySince, heal, size } = await joined()
    expect(Object.keys((await bob.sync(lazySince, LAZY)).rooms.join)).toEqual([roomId])
    const hidden = await bob.sync(since)
    expect(Object.keys(hidden.rooms.join)).toEqual([])
    await bob.ok('PUT', `/rooms/${room}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' })
    heal()
    await world.run(30 * MINUTE_MS)
    const { join } = (await bob.sync(hidden.next_batch)).rooms
    const { state, timeline } = join[roomId]
    const stateEvents = new Set(
      [...state.events, ...timeline.events.filter((event: Json) => event.state_key !== undefined)].map((event: Json) => event.event_id),
    )
    expect(stateEvents.size).toBe(size)
    expect(timeline.events.map((event: Json) => event.content.body)).toContain('hello')
  })

  test('names no members until all are known, so that nobody is left out of what is encrypted', async () => {
    const { world, bob, room, heal, size } = await joined()
    let early: Json
    const asked = bob.call('GET', `/rooms/${room}/members?not_membership=leave`).then((answer) => (early = answer))
    await world.run(10_000)
    expect(early).toBeUndefined()
    heal()
    const { status, body } = await world.finish(asked)
    expect([status, body.chunk.length]).toEqual([200, size - 4])
  })

  test('names all members, also to who asks for those of a moment before they were known', async () => {
    const { world, bob, room, lazySince, heal, size } = await joined()
    const { next_batch: at } = await bob.sync(lazySince, LAZY)
    heal()
    await world.run(30 * MINUTE_MS)
    expect((await bob.ok('GET', `/rooms/${room}/members?not_membership=leave&at=${at}`)).chunk).toHaveLength(size - 4)
  })

  test('says after a while that the members are not to be had', async () => {
    const { world, bob, room } = await joined()
    for (const path of ['members', 'joined_members', 'state']) {
      const { status, body } = await world.finish(bob.call('GET', `/rooms/${room}/${path}`))
      expect([path, status, body['im.kith.unreachable']]).toEqual([path, 504, true])
    }
  })

  test('tells whose devices are to be learnt once they are known', async () => {
    const { world, bob, lazySince, heal, size } = await joined()
    const first = await bob.sync(lazySince, LAZY)
    heal()
    await world.run(30 * MINUTE_MS)
    const next = await bob.sync(first.next_batch, LAZY)
    const learnt = new Set([...first.device_lists.changed, ...next.device_lists.changed])
    expect(learnt.size).toBe(size - 5)
  })
})

test('invites of other servers reach a client', async () => {
  const { world, alice, bob } = await bobAndAlice()
  const roomId = await makeRoom(alice, { joinRules: { join_rule: 'invite' } })
  await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: bob.userId as UserId, content: {} }, never))
  const { invite_state: state } = await roomOf(bob, 'invite', roomId)
  expect(state.events.every((event: Json) => event.hashes === undefined && event.content !== undefined)).toBe(true)
})
