import type { ServerName } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { oneList, SlidingClient } from './sliding/sliding-client.test-support.ts'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

const MINUTE_MS = 60_000
const kith = '/_matrix/client/unstable/im.kith'

/** Three users on nodes of their own who know each other. */
async function threeNodes() {
  const world = new SimulatedWorld(5)
  const users: TestUser[] = []
  for (const name of ['alice', 'bob', 'carol']) {
    const node = new TestNode(world)
    await node.start()
    users.push(await node.register(name))
  }
  for (const user of users) {
    const { user_id: userId, relay_list: relayList } = await user.ok('GET', `${kith}/contact`)
    for (const other of users) if (other !== user) await other.ok('POST', `${kith}/contacts`, { user_id: userId, relay_list: relayList })
  }
  const [alice, bob, carol] = users as [TestUser, TestUser, TestUser]
  return { world, alice, bob, carol }
}

function serverOf({ userId }: TestUser): ServerName {
  return userId.slice(userId.indexOf(':') + 1) as ServerName
}

/** Carol has joined at Bob's a room that Alice closed meanwhile, out of reach of both, and they hear of each other now. */
async function joinedBesideTheClosing(
  whenApart: (carol: TestUser, roomId: string, others: { bob: TestUser; world: SimulatedWorld }) => Promise<void>,
) {
  const { world, alice, bob, carol } = await threeNodes()
  const remote = (user: TestUser, method: string, path: string, body: object = {}): Promise<Json> =>
    world.finish(user.ok(method, path, body))
  const { room_id: roomId } = await remote(alice, 'POST', '/createRoom', { preset: 'public_chat', room_version: '11' })
  const join = (user: TestUser, via: TestUser) => remote(user, 'POST', `/join/${encodeURIComponent(roomId)}?via=${serverOf(via)}`)
  await join(bob, alice)
  await world.run(5_000)
  for (const other of [bob, carol]) world.network.cut(serverOf(alice), serverOf(other))
  await join(carol, bob)
  await remote(alice, 'PUT', `/rooms/${encodeURIComponent(roomId)}/state/m.room.join_rules`, { join_rule: 'invite' })
  await whenApart(carol, roomId, { bob, world })
  world.network.mendAll()
  return { world, bob, carol, roomId }
}

test('whose join lost its ground is told, once, that the stay is over', async () => {
  let since = ''
  const { world, carol, roomId } = await joinedBesideTheClosing(async (user, room) => {
    const inside = await user.sync()
    expect(Object.keys(inside.rooms.join)).toEqual([room])
    since = inside.next_batch
  })
  await world.run(30 * MINUTE_MS)
  const told = await carol.sync(since)
  expect([Object.keys(told.rooms.join), Object.keys(told.rooms.leave)]).toEqual([[], [roomId]])
  expect(told.rooms.leave[roomId].timeline.events).toMatchObject([
    { type: 'm.room.member', state_key: carol.userId, content: { membership: 'leave' } },
  ])
  expect((await carol.sync(told.next_batch)).rooms).toMatchObject({ join: {}, leave: {} })
  expect((await carol.sync()).rooms).toMatchObject({ join: {}, leave: {} })
})

test('a client that waits for news hears at once that its stay is over', async () => {
  let waiting: Promise<Json> | undefined
  const { world, roomId } = await joinedBesideTheClosing(async (user) => {
    const { next_batch: since } = await user.sync()
    waiting = user.sync(since, { timeout: String(10 * MINUTE_MS) })
  })
  await world.run(MINUTE_MS)
  const told = await world.finish(waiting!)
  expect(Object.keys(told.rooms.leave)).toEqual([roomId])
})

const e2ee = { ...oneList(), extensions: { e2ee: { enabled: true } } }

test('a client of sliding sync is told, once, that the stay is over', async () => {
  let client: SlidingClient | undefined
  const { world, bob, carol, roomId } = await joinedBesideTheClosing(async (user, room) => {
    client = new SlidingClient(user)
    const inside = await client.sync(e2ee)
    expect(inside.rooms).toMatchObject({ [room]: { membership: 'join' } })
  })
  await world.run(30 * MINUTE_MS)
  const told = await client!.sync(e2ee)
  expect(told.rooms[roomId]).toMatchObject({
    membership: 'leave',
    timeline: [{ type: 'm.room.member', state_key: carol.userId, content: { membership: 'leave' } }],
  })
  expect(told.extensions.e2ee.device_lists.left).toContain(bob.userId)
  const after = await client!.sync(e2ee)
  expect([after.rooms, after.lists.all.count]).toEqual([{}, 0])
  expect((await new SlidingClient(carol, 'other').sync(e2ee)).rooms).toEqual({})
})

test('a client of sliding sync that shows the room alone, and waits, hears at once that its stay is over', async () => {
  let waiting: Promise<Json> | undefined
  const { world, roomId } = await joinedBesideTheClosing(async (user, room) => {
    const client = new SlidingClient(user)
    const body = { room_subscriptions: { [room]: { timeline_limit: 10, required_state: [['m.room.create', '']] } } }
    await client.sync(body)
    waiting = client.sync(body, { timeout: 10 * MINUTE_MS })
  })
  await world.run(MINUTE_MS)
  expect((await world.finish(waiting!)).rooms[roomId]).toMatchObject({ membership: 'leave' })
})

test('nothing is unread in the room for whose join lost its ground', async () => {
  const unread = async (user: TestUser): Promise<boolean[]> =>
    (await user.ok('GET', '/notifications')).notifications.map(({ read }: Json) => !read)
  const { world, carol } = await joinedBesideTheClosing(async (user, room, others) => {
    await others.bob.ok('PUT', `/rooms/${encodeURIComponent(room)}/send/m.room.message/m1`, { msgtype: 'm.text', body: 'hello' })
    await others.world.run(5_000)
    expect(await unread(user)).toEqual([true])
  })
  await world.run(30 * MINUTE_MS)
  expect(await unread(carol)).toEqual([false])
})

test('whose join lost its ground shares no room any more with those inside', async () => {
  let since = ''
  const { world, bob, carol } = await joinedBesideTheClosing(async (user) => void ({ next_batch: since } = await user.sync()))
  await world.run(30 * MINUTE_MS)
  const told = await carol.sync(since)
  expect(told.device_lists.left).toContain(bob.userId)
  const query = new URLSearchParams({ from: since, to: told.next_batch })
  expect((await carol.ok('GET', `/keys/changes?${query}`)).left).toContain(bob.userId)
})
