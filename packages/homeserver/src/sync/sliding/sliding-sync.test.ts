import { expect, test } from 'vitest'
import { TestNode } from '../../client-api/test-node.test-support.ts'
import { allExtensions, oneList, SlidingClient } from './sliding-client.test-support.ts'

type Named = { readonly type: string; readonly content: { readonly body?: string } }

function bodies(timeline: readonly Named[]): (string | undefined)[] {
  return timeline.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body)
}

test('a window shows the rooms that were talked in last, and then only what is new', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const rooms: string[] = []
  for (let index = 0; index < 5; index++) rooms.push(await alice.createRoom({ name: `room ${index}` }))
  await alice.say(rooms[1] ?? '', 'hello')
  const client = new SlidingClient(alice)
  const window = oneList({ ranges: [[0, 1]], timeline_limit: 1 })
  const first = await client.sync(window)
  expect(first.lists).toEqual({ all: { count: 5 } })
  expect(new Set(Object.keys(first.rooms))).toEqual(new Set([rooms[1], rooms[4]]))
  expect(first.rooms[rooms[1] ?? '']).toMatchObject({
    initial: true,
    name: 'room 1',
    limited: true,
    joined_count: 1,
    membership: 'join',
    num_live: 0,
  })
  expect(bodies(first.rooms[rooms[1] ?? ''].timeline)).toEqual(['hello'])
  expect((await client.sync(window)).rooms).toEqual({})
  await alice.say(rooms[0] ?? '', 'up')
  const next = await client.sync(window)
  expect(Object.keys(next.rooms)).toEqual([rooms[0]])
  expect(next.rooms[rooms[0] ?? '']).toMatchObject({ initial: true, num_live: 1 })
  // Out of sight meanwhile, and told of from where the client left it.
  await alice.say(rooms[4] ?? '', 'one')
  await alice.say(rooms[1] ?? '', 'two')
  const later = await client.sync(oneList({ timeline_limit: 5 }))
  expect(Object.keys(later.rooms)).toHaveLength(5)
  expect(later.rooms[rooms[4] ?? '']).not.toHaveProperty('initial')
})

test('an answer that was lost is given again, and an unknown position begins anew', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const roomId = await alice.createRoom()
  const client = new SlidingClient(alice)
  await client.sync()
  const before = client.pos
  await alice.say(roomId, 'hello')
  const lost = await client.sync()
  expect(bodies(lost.rooms[roomId].timeline)).toEqual(['hello'])
  await alice.say(roomId, 'again')
  const repeated = await client.sync(oneList(), { pos: before })
  expect(bodies(repeated.rooms[roomId].timeline)).toEqual(['hello', 'again'])
  expect((await client.sync()).rooms).toEqual({})
  expect(await client.call(oneList(), { pos: before })).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN_POS' } })
  await node.restart()
  expect(await client.call(oneList())).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN_POS' } })
})

test('a larger timeline limit shows what came before, once', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const roomId = await alice.createRoom()
  for (const text of ['a', 'b', 'c', 'd']) await alice.say(roomId, text)
  const client = new SlidingClient(alice)
  await client.sync(oneList({ timeline_limit: 1 }))
  await alice.say(roomId, 'e')
  await client.sync(oneList({ timeline_limit: 1 }))
  expect((await client.sync(oneList({ timeline_limit: 2 }))).rooms).toEqual({})
  const expanded = await client.sync({
    ...oneList({ timeline_limit: 1 }),
    room_subscriptions: { [roomId]: { timeline_limit: 4, required_state: [] } },
  })
  expect(expanded.rooms[roomId]).toMatchObject({ unstable_expanded_timeline: true, num_live: 0 })
  expect(bodies(expanded.rooms[roomId].timeline)).toEqual(['b', 'c', 'd', 'e'])
  expect((await client.sync(oneList({ timeline_limit: 4 }))).rooms).toEqual({})
})

test('a long poll sleeps through what does not concern it and wakes for what does', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const bob = await node.register('bob')
  const own = await alice.createRoom()
  const others = await bob.createRoom()
  const client = new SlidingClient(alice)
  await client.sync()
  let woken = false
  const polled = client.sync(oneList(), { timeout: 30_000 }).finally(() => (woken = true))
  await bob.say(others, 'not for alice')
  await node.world.clock.advance(10_000)
  expect(woken).toBe(false)
  await alice.say(own, 'hello')
  const answer = await polled
  expect(bodies(answer.rooms[own].timeline)).toEqual(['hello'])
  const quiet = client.sync(oneList(), { timeout: 30_000 })
  await node.world.clock.advance(30_001)
  expect((await quiet).rooms).toEqual({})
})

test('invites, leaves and being put out are told', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const bob = await node.register('bob')
  const client = new SlidingClient(bob)
  await client.sync()
  const roomId = await alice.createRoom({ name: 'here', invite: [bob.userId] })
  const invited = await client.sync()
  expect(invited.rooms[roomId]).toMatchObject({ initial: true, membership: 'invite' })
  expect(invited.rooms[roomId].invite_state).toContainEqual(expect.objectContaining({ type: 'm.room.name', content: { name: 'here' } }))
  expect(invited.rooms[roomId]).not.toHaveProperty('timeline')
  await bob.ok('POST', `/rooms/${roomId}/join`, {})
  const joined = await client.sync()
  expect(joined.rooms[roomId]).toMatchObject({ initial: true, membership: 'join', joined_count: 2 })
  await alice.ok('POST', `/rooms/${roomId}/kick`, { user_id: bob.userId })
  await alice.say(roomId, 'secret')
  const kicked = await client.sync()
  expect(kicked.rooms[roomId]).toMatchObject({ membership: 'leave' })
  expect(kicked.rooms[roomId].timeline.at(-1)).toMatchObject({ type: 'm.room.member', content: { membership: 'leave' } })
  expect(JSON.stringify(kicked)).not.toContain('secret')
  expect((await client.sync()).rooms).toEqual({})
  expect(Object.keys((await new SlidingClient(bob, 'new').sync()).rooms)).toEqual([roomId])
})

test('the extensions tell of messages to the device, account data, receipts and typing', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const bob = await node.register('bob')
  const roomId = await alice.createRoom({ invite: [bob.userId] })
  await bob.ok('POST', `/rooms/${roomId}/join`, {})
  const eventId = await alice.say(roomId, 'hello')
  const client = new SlidingClient(alice)
  const all = { ...oneList(), extensions: allExtensions }
  const first = await client.sync(all)
  expect(first.extensions.account_data.global).toContainEqual(expect.objectContaining({ type: 'm.push_rules' }))
  await bob.ok('POST', `/rooms/${roomId}/receipt/m.read.private/${eventId}`, {})
  await bob.ok('PUT', `/user/${bob.userId}/rooms/${roomId}/account_data/own`, { a: 1 })
  expect((await client.sync(all)).extensions).not.toHaveProperty('receipts.rooms')
  await bob.ok('POST', `/rooms/${roomId}/receipt/m.read/${eventId}`, {})
  await bob.ok('PUT', `/rooms/${roomId}/typing/${bob.userId}`, { typing: true, timeout: 30_000 })
  await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { [bob.userId]: [roomId] })
  await bob.ok('PUT', '/sendToDevice/test/1', { messages: { [alice.userId]: { '*': { hello: true } } } })
  const { rooms, extensions } = await client.sync(all)
  expect(extensions.receipts.rooms[roomId].content).toMatchObject({ [eventId]: { 'm.read': { [bob.userId]: {} } } })
  expect(extensions.typing.rooms[roomId].content).toEqual({ user_ids: [bob.userId] })
  expect(rooms[roomId]).toMatchObject({ is_dm: true })
  expect(extensions.to_device.events).toEqual([{ sender: bob.userId, type: 'test', content: { hello: true } }])
  const since = { ...all, extensions: { ...allExtensions, to_device: { enabled: true, since: extensions.to_device.next_batch } } }
  const after = await client.sync(since)
  expect(after.extensions.to_device.events).toEqual([])
  expect(after.extensions).not.toHaveProperty('typing.rooms')
})

test('what a client may ask is bounded', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const client = new SlidingClient(alice)
  const lists = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`l${index}`, { ranges: [[0, 1]] }]))
  for (const body of [
    { lists },
    { lists: [] },
    oneList({ ranges: [[-1, 2]] }),
    oneList({ required_state: [['a']] }),
    { extensions: { to_device: { since: 'x' } } },
  ])
    expect(await client.call(body)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
})

test('a device has a bounded number of connections, and the longest unused go', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const clients = Array.from({ length: 11 }, (_, index) => new SlidingClient(alice, `c${index}`))
  for (const client of clients.slice(0, 10)) await client.sync()
  await clients[0]?.sync()
  await clients[10]?.sync()
  expect(await clients[1]?.call(oneList())).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN_POS' } })
  expect(await clients[0]?.call(oneList())).toMatchObject({ status: 200 })
  const bob = await node.register('bob')
  await new SlidingClient(bob).sync()
  expect(await clients[2]?.call(oneList())).toMatchObject({ status: 200 })
})

test('a request takes the place of the one that waits on its connection', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const roomId = await alice.createRoom()
  const client = new SlidingClient(alice)
  await client.sync()
  const { pos } = client
  const waiting = client.call(oneList(), { timeout: 30_000, pos })
  await alice.ok('PUT', `/rooms/${roomId}/state/m.room.topic`, { topic: 'new' })
  const next = await client.sync(oneList({ timeline_limit: 3 }), { timeout: 30_000, pos })
  expect(next.rooms[roomId].required_state).toMatchObject([{ type: 'm.room.topic' }])
  expect((await waiting).status).toBe(200)
  // Whichever answer came first, only what the client confirms counts.
  const quiet = client.call(oneList(), { timeout: 30_000 })
  const other = await client.sync(oneList({ ranges: [[0, 5]] }))
  expect(await quiet).toMatchObject({ status: 200, body: { rooms: {} } })
  expect(other.rooms).toEqual({})
})
