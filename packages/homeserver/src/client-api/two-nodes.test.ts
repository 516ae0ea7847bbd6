import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

let world: SimulatedWorld
let nodes: TestNode[]
let alice: TestUser
let bob: TestUser

beforeEach(async () => {
  world = new SimulatedWorld(11)
  nodes = [new TestNode(world), new TestNode(world)]
  for (const node of nodes) await node.start()
  alice = await nodes[0]!.register('alice')
  bob = await nodes[1]!.register('bob')
  await alice.ok('POST', `${kith}/contacts`, await contactOf(bob))
  await bob.ok('POST', `${kith}/contacts`, await contactOf(alice))
})

afterEach(async () => {
  for (const node of nodes) await node[Symbol.asyncDispose]()
})

const kith = '/_matrix/client/unstable/im.kith'

async function contactOf(user: TestUser): Promise<object> {
  const { user_id: userId, relay_list: relayList } = await user.ok('GET', `${kith}/contact`)
  return { user_id: userId, relay_list: relayList }
}

/** What needs the other server needs time to pass. */
async function remote(user: TestUser, method: string, path: string, body?: unknown): Promise<Json> {
  return world.finish(user.ok(method, path, body))
}

async function untilSync(user: TestUser, since: string | undefined, holds: (answer: Json) => unknown): Promise<Json> {
  let answer: Json
  await world.runUntil(async () => Boolean(holds((answer = await user.sync(since)))), 60_000, 'the sync shows it')
  return answer
}

async function sharedRoom(): Promise<string> {
  const { room_id: roomId } = await remote(alice, 'POST', '/createRoom', { preset: 'private_chat', invite: [bob.userId], name: 'Shared' })
  const invited = await untilSync(bob, undefined, (answer) => answer.rooms.invite[roomId])
  expect(invited.rooms.invite[roomId].invite_state.events).toContainEqual(
    expect.objectContaining({ type: 'm.room.name', content: { name: 'Shared' } }),
  )
  await remote(bob, 'POST', `/join/${encodeURIComponent(roomId)}`)
  return roomId
}

const deviceKeys = (user: TestUser, key: string) => ({
  device_keys: {
    user_id: user.userId,
    device_id: user.deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2'],
    keys: { [`ed25519:${user.deviceId}`]: key },
    signatures: {},
  },
})

test('invite, join, talk in both directions, page back, leave', async () => {
  const first = await alice.sync()
  const roomId = await sharedRoom()
  const joined = await untilSync(alice, first.next_batch, (answer) =>
    answer.rooms.join[roomId]?.timeline.events.some((event: Json) => event.state_key === bob.userId && event.content.membership === 'join'),
  )
  expect(joined.device_lists.changed).toContain(bob.userId)
  const { next_batch: since } = await bob.sync()
  const fromAlice = await alice.say(roomId, 'hello bob')
  const heard = await untilSync(bob, since, (answer) => answer.rooms.join[roomId])
  expect(heard.rooms.join[roomId].timeline.events).toMatchObject([
    { event_id: fromAlice, content: { body: 'hello bob' }, sender: alice.userId },
  ])
  await bob.say(roomId, 'hello alice')
  await untilSync(alice, joined.next_batch, (answer) =>
    answer.rooms.join[roomId]?.timeline.events.some((event: Json) => event.content.body === 'hello alice'),
  )
  // Bob's node fetches what was before the join.
  const page = await remote(bob, 'GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
  expect(page.chunk.at(-1).type).toBe('m.room.create')
  const { next_batch: beforeLeave } = await alice.sync()
  await remote(bob, 'POST', `/rooms/${encodeURIComponent(roomId)}/leave`, {})
  const left = await untilSync(alice, beforeLeave, (answer) => answer.rooms.join[roomId])
  expect(left.device_lists.left).toEqual([bob.userId])
})

test('who was put out and invited again meanwhile is told of the invite', async () => {
  const roomId = await sharedRoom()
  const { next_batch: since } = await bob.sync()
  const path = `/rooms/${encodeURIComponent(roomId)}`
  await remote(alice, 'POST', `${path}/kick`, { user_id: bob.userId })
  await untilSync(bob, since, (answer) => answer.rooms.leave[roomId])
  await remote(alice, 'POST', `${path}/invite`, { user_id: bob.userId })
  const answer = await untilSync(bob, since, ({ rooms }) => rooms.invite[roomId])
  expect(answer.rooms).toMatchObject({ join: {}, leave: {} })
  expect((await bob.sync(answer.next_batch)).rooms).toMatchObject({ join: {}, invite: {}, leave: {} })
  await remote(bob, 'POST', `/join/${encodeURIComponent(roomId)}`)
  expect(Object.keys((await bob.sync(answer.next_batch)).rooms.join)).toEqual([roomId])
})

test.each(['the profile', 'the state of the room'])(
  'who was let into a restricted room is still heard after changing %s',
  async (place) => {
    const space = await sharedRoom()
    const rule = { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: space }] }
    const { room_id: roomId } = await remote(alice, 'POST', '/createRoom', {
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rule }],
    })
    await remote(bob, 'POST', `/join/${encodeURIComponent(roomId)}?via=${nodes[0]!.identity.server}`)
    const memberPath = `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${bob.userId}`
    const joined = await bob.ok('GET', memberPath)
    expect(joined.join_authorised_via_users_server).toBe(alice.userId)
    if (place === 'the profile') await bob.ok('PUT', `/profile/${bob.userId}/displayname`, { displayname: 'Robert' })
    else await bob.ok('PUT', memberPath, { ...joined, displayname: 'Robert' })
    const text = await bob.say(roomId, 'call me Robert')
    await untilSync(alice, undefined, ({ rooms }) => rooms.join[roomId].timeline.events.some((event: Json) => event.event_id === text))
    expect((await alice.ok('GET', memberPath)).displayname).toBe('Robert')
  },
)

test('an invite can be declined, also when its server is away', async () => {
  const invite = async (): Promise<string> => {
    const { room_id: roomId } = await remote(alice, 'POST', '/createRoom', { invite: [bob.userId] })
    await untilSync(bob, undefined, (answer) => answer.rooms.invite[roomId])
    return roomId
  }
  const declined = await invite()
  const { next_batch: since } = await bob.sync()
  expect((await bob.call('POST', `/rooms/${encodeURIComponent(declined)}/forget`)).status).toBe(400)
  await remote(bob, 'POST', `/rooms/${encodeURIComponent(declined)}/leave`, {})
  expect(await bob.ok('POST', `/rooms/${encodeURIComponent(declined)}/forget`)).toEqual({})
  expect((await bob.sync(since)).rooms.leave[declined].timeline.events).toMatchObject([
    { state_key: bob.userId, content: { membership: 'leave' } },
  ])
  expect((await bob.sync()).rooms.invite).toEqual({})
  await untilSync(alice, undefined, (answer) =>
    answer.rooms.join[declined].timeline.events.some(
      (event: Json) => event.state_key === bob.userId && event.content.membership === 'leave',
    ),
  )
  const orphaned = await invite()
  world.network.cut(nodes[0]!.identity.server, nodes[1]!.identity.server)
  await remote(bob, 'POST', `/rooms/${encodeURIComponent(orphaned)}/leave`, {})
  expect((await bob.sync()).rooms.invite).toEqual({})
})

test('keys: asked for, claimed, kept up to date, and known while their server is away', async () => {
  await bob.ok('POST', '/keys/upload', {
    ...deviceKeys(bob, 'first'),
    one_time_keys: { 'signed_curve25519:A': { key: 'once' } },
    fallback_keys: { 'signed_curve25519:F': { key: 'fallback', fallback: true } },
  })
  const roomId = await sharedRoom()
  await untilSync(alice, undefined, (answer) => answer.rooms.join[roomId]?.summary['m.joined_member_count'] === 2)
  const query = { device_keys: { [bob.userId]: [] } }
  const known = await remote(alice, 'POST', '/keys/query', query)
  expect(known.device_keys[bob.userId][bob.deviceId].keys).toEqual({ [`ed25519:${bob.deviceId}`]: 'first' })
  expect(known.failures).toEqual({})
  const claim = { one_time_keys: { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } } }
  const claimed = async (): Promise<Json> => (await remote(alice, 'POST', '/keys/claim', claim)).one_time_keys[bob.userId][bob.deviceId]
  expect(await claimed()).toEqual({ 'signed_curve25519:A': { key: 'once' } })
  expect(await claimed()).toEqual({ 'signed_curve25519:F': { key: 'fallback', fallback: true } })
  const { next_batch: since } = await alice.sync()
  await bob.ok('POST', '/keys/upload', deviceKeys(bob, 'second'))
  const changed = await untilSync(alice, since, (answer) => answer.device_lists.changed.length > 0)
  expect(changed.device_lists.changed).toEqual([bob.userId])
  world.network.cut(nodes[0]!.identity.server, nodes[1]!.identity.server)
  const cached = await remote(alice, 'POST', '/keys/query', query)
  expect(cached.device_keys[bob.userId][bob.deviceId].keys).toEqual({ [`ed25519:${bob.deviceId}`]: 'second' })
  expect(cached.failures).toEqual({})
  expect((await remote(alice, 'POST', '/keys/claim', claim)).failures).toEqual({ [nodes[1]!.identity.server]: {} })
})

test('to-device messages arrive exactly once, over cuts, restarts and repetitions', async () => {
  await sharedRoom()
  const { next_batch: since } = await bob.sync()
  world.network.breaksPercent = 30
  for (let index = 0; index < 20; index++) {
    const path = `/sendToDevice/m.custom/t${index}`
    const body = { messages: { [bob.userId]: { [bob.deviceId]: { n: index } } } }
    await alice.ok('PUT', path, body)
    await alice.ok('PUT', path, body)
    if (index === 10) await nodes[1]!.restart()
    await world.run(500)
  }
  world.network.mendAll()
  const answer = await untilSync(bob, since, (candidate) => candidate.to_device.events.length >= 20)
  expect(answer.to_device.events.map((event: Json) => event.content.n)).toEqual(Array.from({ length: 20 }, (_, index) => index))
  await world.run(60_000)
  expect((await bob.sync(answer.next_batch)).to_device.events).toEqual([])
})

test('typing and receipts pass between servers', async () => {
  const roomId = await sharedRoom()
  const path = `/rooms/${encodeURIComponent(roomId)}`
  await untilSync(alice, undefined, (answer) => answer.rooms.join[roomId]?.summary['m.joined_member_count'] === 2)
  const eventId = await alice.say(roomId, 'read me')
  await untilSync(bob, undefined, (answer) => answer.rooms.join[roomId].timeline.events.some((event: Json) => event.event_id === eventId))
  const { next_batch: since } = await alice.sync()
  await bob.ok('PUT', `${path}/typing/${bob.userId}`, { typing: true, timeout: 20_000 })
  const typing = await untilSync(alice, since, (answer) => answer.rooms.join[roomId]?.ephemeral.events.length > 0)
  expect(typing.rooms.join[roomId].ephemeral.events).toEqual([{ type: 'm.typing', content: { user_ids: [bob.userId] } }])
  await bob.ok('POST', `${path}/receipt/m.read.private/${eventId}`, {})
  await bob.ok('POST', `${path}/receipt/m.read/${eventId}`, {})
  const receipt = await untilSync(alice, typing.next_batch, (answer) =>
    answer.rooms.join[roomId]?.ephemeral.events.some((event: Json) => event.type === 'm.receipt'),
  )
  const content = receipt.rooms.join[roomId].ephemeral.events.find((event: Json) => event.type === 'm.receipt').content
  expect(content).toEqual({ [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } })
})

test('deliveries are told as they change; the network is described', async () => {
  const roomId = await sharedRoom()
  await world.run(5000)
  const { next: since, deliveries } = await alice.ok('GET', `${kith}/deliveries`)
  expect(deliveries).toEqual([])
  world.network.cut(nodes[0]!.identity.server, nodes[1]!.identity.server)
  const eventId = await alice.say(roomId, 'later')
  const waiting = await alice.ok('GET', `${kith}/deliveries`)
  expect(waiting.deliveries).toMatchObject([{ room_id: roomId, event_id: eventId, state: 'waiting' }])
  world.network.mendAll()
  const change = await world.finish(alice.ok('GET', `${kith}/deliveries?since=${Math.max(since, waiting.next)}&timeout=60000`))
  expect(change.deliveries).toMatchObject([{ event_id: eventId, state: 'delivered' }])
  expect(await alice.ok('GET', `${kith}/network`)).toMatchObject({
    server_name: nodes[0]!.identity.server,
    fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/),
  })
})

test('profiles of other servers, and errors for rooms and contacts that cannot be', async () => {
  await bob.ok('PUT', `/profile/${bob.userId}/displayname`, { displayname: 'Bob' })
  expect(await remote(alice, 'GET', `/profile/${bob.userId}`)).toMatchObject({ displayname: 'Bob' })
  const wrong = { ...(await contactOf(bob)), user_id: alice.userId.replace('alice', 'mallory').replace(/:k./, ':k4') }
  expect(await alice.call('POST', `${kith}/contacts`, wrong)).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  const unknown = `!${'A'.repeat(43)}`
  expect(await alice.call('POST', `/join/${unknown}`)).toMatchObject({ status: 404 })
  expect(await world.finish(alice.call('POST', `/join/${unknown}?via=${nodes[1]!.identity.server}`))).toMatchObject({ status: 404 })
})

test('a user of another server follows a room that was upgraded, with what they set for it', async () => {
  const { room_id: roomId } = await remote(alice, 'POST', '/createRoom', { preset: 'public_chat', room_version: '10', name: 'Moving' })
  await remote(bob, 'POST', `/join/${encodeURIComponent(roomId)}?server_name=${nodes[0]!.identity.server}`)
  await bob.ok('PUT', `/user/${bob.userId}/rooms/${encodeURIComponent(roomId)}/tags/m.favourite`, { order: 0.5 })
  const { next_batch: since } = await bob.sync()
  const path = `/rooms/${encodeURIComponent(roomId)}/upgrade`
  const { replacement_room: successor } = await remote(alice, 'POST', path, { new_version: '12' })
  const isTombstone = (event: Json): boolean => event.type === 'm.room.tombstone'
  const told = await untilSync(bob, since, (answer) => answer.rooms.join[roomId]?.timeline.events.some(isTombstone))
  const tombstone = told.rooms.join[roomId].timeline.events.find(isTombstone)
  expect(tombstone.content.replacement_room).toBe(successor)
  const via = tombstone.sender.slice(tombstone.sender.indexOf(':') + 1)
  await remote(bob, 'POST', `/join/${encodeURIComponent(successor)}?via=${via}`)
  expect((await bob.ok('GET', `/rooms/${encodeURIComponent(successor)}/state/m.room.name`)).name).toBe('Moving')
  const tags = await bob.ok('GET', `/user/${bob.userId}/rooms/${encodeURIComponent(successor)}/tags`)
  expect(tags).toEqual({ tags: { 'm.favourite': { order: 0.5 } } })
  // The old room is closed.
  await world.runUntil(
    async () => (await bob.call('PUT', `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/late`, {})).status === 403,
    60_000,
    'nobody writes in the old room',
  )
})
