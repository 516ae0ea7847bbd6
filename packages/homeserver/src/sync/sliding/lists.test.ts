import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../../client-api/test-node.test-support.ts'
import { allExtensions, oneList, SlidingClient } from './sliding-client.test-support.ts'

let node: TestNode
let alice: TestUser
let bob: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

async function shownBy(filters: object): Promise<Set<string>> {
  const answer = await new SlidingClient(alice, JSON.stringify(filters).slice(0, 200)).sync(oneList({ filters }))
  expect(answer.lists.all.count).toBe(Object.keys(answer.rooms).length)
  return new Set(Object.keys(answer.rooms))
}

function stateNames(room: Json): Set<string> {
  return new Set(room.required_state.map(({ type, state_key: stateKey }: Json) => `${type} ${stateKey}`))
}

test('lists hold the rooms that their filters let through', async () => {
  const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }
  const plain = await alice.createRoom()
  const encrypted = await alice.createRoom({ initial_state: [encryption] })
  const space = await alice.createRoom({ creation_content: { type: 'm.space' } })
  const invited = await bob.createRoom({ invite: [alice.userId] })
  await alice.ok('PUT', `/rooms/${space}/state/m.space.child/${plain}`, { via: ['x'] })
  await alice.ok('PUT', `/rooms/${space}/state/m.space.child/${encrypted}`, {})
  await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { [bob.userId]: [encrypted] })
  await alice.ok('PUT', `/user/${alice.userId}/rooms/${plain}/tags/m.favourite`, {})
  const everything = new Set([plain, encrypted, space, invited])
  expect(await shownBy({})).toEqual(everything)
  expect(await shownBy({ is_encrypted: true })).toEqual(new Set([encrypted]))
  expect(await shownBy({ is_encrypted: false })).toEqual(new Set([plain, space, invited]))
  expect(await shownBy({ is_invite: true })).toEqual(new Set([invited]))
  expect(await shownBy({ is_invited: false })).toEqual(new Set([plain, encrypted, space]))
  expect(await shownBy({ is_dm: true })).toEqual(new Set([encrypted]))
  expect(await shownBy({ room_types: ['m.space'] })).toEqual(new Set([space]))
  expect(await shownBy({ room_types: [null], is_dm: false })).toEqual(new Set([plain, invited]))
  expect(await shownBy({ not_room_types: ['m.space'], room_types: ['m.space', null] })).toEqual(new Set([plain, encrypted, invited]))
  expect(await shownBy({ tags: ['m.favourite'] })).toEqual(new Set([plain]))
  expect(await shownBy({ not_tags: ['m.favourite'] })).toEqual(new Set([encrypted, space, invited]))
  expect(await shownBy({ spaces: [space] })).toEqual(new Set([plain]))
})

test('tags and direct chats that change move a room between lists', async () => {
  const roomId = await alice.createRoom()
  const client = new SlidingClient(alice)
  const lists = {
    lists: {
      marked: { ranges: [[0, 9]], filters: { tags: ['u.x'] } },
      others: { ranges: [[0, 9]], filters: { not_tags: ['u.x'], is_dm: false } },
    },
  }
  expect((await client.sync(lists)).lists).toEqual({ marked: { count: 0 }, others: { count: 1 } })
  await alice.ok('PUT', `/user/${alice.userId}/rooms/${roomId}/tags/u.x`, {})
  expect((await client.sync(lists)).lists).toEqual({ marked: { count: 1 }, others: { count: 0 } })
  await alice.ok('DELETE', `/user/${alice.userId}/rooms/${roomId}/tags/u.x`)
  await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { [bob.userId]: [roomId] })
  expect((await client.sync(lists)).lists).toEqual({ marked: { count: 0 }, others: { count: 0 } })
})

test('the wanted state comes in either form, and what is asked for later comes then', async () => {
  const roomId = await alice.createRoom({ name: 'named', topic: 'about' })
  const client = new SlidingClient(alice)
  const first = await client.sync(
    oneList({
      required_state: [
        ['m.room.name', ''],
        ['m.room.member', '$ME'],
      ],
    }),
  )
  expect(stateNames(first.rooms[roomId])).toEqual(new Set(['m.room.name ', `m.room.member ${alice.userId}`]))
  const widened = await client.sync(oneList({ required_state: { include: [{ state_key: '' }], exclude: [{ type: 'm.room.create' }] } }))
  const names = stateNames(widened.rooms[roomId])
  expect(names).toContain('m.room.topic ')
  expect(names).toContain('m.room.power_levels ')
  // It is there already, and it is not wanted.
  expect(names).not.toContain('m.room.name ')
  expect(names).not.toContain('m.room.create ')
  expect(
    (await client.sync(oneList({ required_state: { include: [{ state_key: '' }], exclude: [{ type: 'm.room.create' }] } }))).rooms,
  ).toEqual({})
})

test('members that are loaded lazily come with what they say, and then stay told', async () => {
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/rooms/${roomId}/join`, {})
  await alice.say(roomId, 'hello')
  const client = new SlidingClient(alice)
  const lazy = oneList({
    timeline_limit: 1,
    required_state: [
      ['*', '*'],
      ['m.room.member', '$LAZY'],
    ],
  })
  const first = await client.sync(lazy)
  expect(stateNames(first.rooms[roomId])).not.toContain(`m.room.member ${bob.userId}`)
  expect(first.rooms[roomId]).toMatchObject({ joined_count: 2, heroes: [{ user_id: bob.userId }] })
  await bob.say(roomId, 'hello')
  expect(stateNames((await client.sync(lazy)).rooms[roomId])).toEqual(new Set([`m.room.member ${bob.userId}`]))
  await bob.say(roomId, 'again')
  expect(stateNames((await client.sync(lazy)).rooms[roomId])).toEqual(new Set())
  await bob.ok('PUT', `/profile/${bob.userId}/displayname`, { displayname: 'Robert' })
  const renamed = await client.sync(lazy)
  expect(renamed.rooms[roomId].required_state).toMatchObject([{ state_key: bob.userId, content: { displayname: 'Robert' } }])
  expect(renamed.rooms[roomId]).toMatchObject({ heroes: [{ user_id: bob.userId, displayname: 'Robert' }] })
})

test('extensions tell of the lists and subscriptions that they name', async () => {
  const listed = await alice.createRoom()
  const subscribed = await alice.createRoom()
  await alice.say(listed, 'up')
  for (const roomId of [listed, subscribed]) await alice.ok('PUT', `/user/${alice.userId}/rooms/${roomId}/account_data/own`, { a: 1 })
  const toldTo = async (scope: object): Promise<string[]> => {
    const body = {
      lists: { all: { ranges: [[0, 0]] } },
      room_subscriptions: { [subscribed]: { timeline_limit: 1, required_state: [] } },
      extensions: { account_data: { enabled: true, ...scope } },
    }
    const { extensions } = await new SlidingClient(alice, JSON.stringify(scope)).sync(body)
    return Object.keys(extensions.account_data.rooms ?? {})
  }
  expect(new Set(await toldTo({}))).toEqual(new Set([listed, subscribed]))
  expect(await toldTo({ rooms: [] })).toEqual([listed])
  expect(await toldTo({ lists: [] })).toEqual([subscribed])
  expect(await toldTo({ lists: ['other'], rooms: [subscribed] })).toEqual([subscribed])
  expect(await toldTo({ lists: ['all'], rooms: ['!other:x'] })).toEqual([listed])
  expect(new Set(await toldTo({ lists: ['*'], rooms: ['*'] }))).toEqual(new Set([listed, subscribed]))
})

test('device lists follow keys and shared rooms, whatever the window shows', async () => {
  const client = new SlidingClient(alice)
  const body = { lists: {}, extensions: { e2ee: { enabled: true } } }
  const first = await client.sync(body)
  expect(first.extensions.e2ee).toMatchObject({
    device_one_time_keys_count: { signed_curve25519: 0 },
    device_unused_fallback_key_types: [],
  })
  expect(first.extensions.e2ee).not.toHaveProperty('device_lists')
  const roomId = await alice.createRoom({ invite: [bob.userId] })
  await bob.ok('POST', `/rooms/${roomId}/join`, {})
  expect((await client.sync(body)).extensions.e2ee.device_lists.changed).toContain(bob.userId)
  await bob.ok('POST', `/rooms/${roomId}/leave`, {})
  expect((await client.sync(body)).extensions.e2ee.device_lists.left).toEqual([bob.userId])
})

test('messages to the device wait until the client shows to have them, page by page', async () => {
  for (let index = 0; index < 5; index++)
    await bob.ok('PUT', `/sendToDevice/test/${index}`, { messages: { [alice.userId]: { '*': { index } } } })
  const client = new SlidingClient(alice)
  const got: number[] = []
  let since: string | undefined
  for (let page = 0; page < 3; page++) {
    const toDevice = { enabled: true, limit: 2, ...(since === undefined ? {} : { since }) }
    const { extensions } = await client.sync({ extensions: { to_device: toDevice } })
    got.push(...extensions.to_device.events.map(({ content }: Json) => content.index))
    since = extensions.to_device.next_batch
  }
  expect(got).toEqual([0, 1, 2, 3, 4])
  const { extensions } = await new SlidingClient(alice, 'other').sync({ extensions: { to_device: { enabled: true } } })
  // The last page was not shown to have come.
  expect(extensions.to_device.events.map(({ content }: Json) => content.index)).toEqual([4])
})

test("a user's receipts for several threads on one event all come", async () => {
  const roomId = await alice.createRoom()
  const eventId = await alice.say(roomId, 'hello')
  const client = new SlidingClient(alice)
  const all = { ...oneList(), extensions: allExtensions }
  await client.sync(all)
  await alice.ok('POST', `/rooms/${roomId}/receipt/m.read/${eventId}`, {})
  await alice.ok('POST', `/rooms/${roomId}/receipt/m.read/${eventId}`, { thread_id: 'main' })
  const threads: unknown[] = []
  for (let index = 0; index < 2; index++) {
    const { extensions } = await client.sync(all)
    threads.push(extensions.receipts.rooms[roomId].content[eventId]['m.read'][alice.userId].thread_id)
  }
  expect(new Set(threads)).toEqual(new Set([undefined, 'main']))
  expect((await client.sync(all)).extensions.receipts).toEqual({})
})

test('nobody hears of whom they ignore', async () => {
  const roomId = await alice.createRoom({ invite: [bob.userId] })
  await bob.ok('POST', `/rooms/${roomId}/join`, {})
  await alice.ok('PUT', `/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } })
  const eventId = await bob.say(roomId, 'not heard')
  await bob.ok('POST', `/rooms/${roomId}/receipt/m.read/${eventId}`, {})
  await bob.ok('PUT', `/rooms/${roomId}/typing/${bob.userId}`, { typing: true })
  await bob.createRoom({ invite: [alice.userId] })
  const answer = await new SlidingClient(alice).sync({ ...oneList(), extensions: allExtensions })
  expect(JSON.stringify(answer)).not.toContain('not heard')
  expect(Object.keys(answer.rooms)).toEqual([roomId])
  expect(answer.extensions).toMatchObject({ receipts: {}, typing: {} })
  expect(answer.extensions).not.toHaveProperty('receipts.rooms')
  expect(answer.extensions).not.toHaveProperty('typing.rooms')
})

test('what happened to a room out of sight is told when it is in sight again', async () => {
  const first = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/rooms/${first}/join`, {})
  const eventId = await bob.say(first, 'hello')
  const client = new SlidingClient(alice)
  const window = { ...oneList({ ranges: [[0, 0]] }), extensions: allExtensions }
  expect((await client.sync(window)).rooms[first]).toMatchObject({ notification_count: 1 })
  const second = await alice.createRoom()
  expect(Object.keys((await client.sync(window)).rooms)).toEqual([second])
  await bob.ok('POST', `/rooms/${first}/receipt/m.read/${eventId}`, {})
  await alice.ok('POST', `/rooms/${first}/receipt/m.read.private/${eventId}`, {})
  await alice.ok('PUT', `/user/${alice.userId}/rooms/${first}/account_data/own`, { a: 1 })
  await bob.ok('PUT', `/rooms/${first}/typing/${bob.userId}`, { typing: true })
  const away = await client.sync(window)
  expect(away.rooms).toEqual({})
  expect(away.extensions).toMatchObject({ receipts: {}, typing: {} })
  expect(JSON.stringify(away)).not.toContain(first)
  const both = { ...oneList(), extensions: allExtensions }
  const back = await client.sync(both)
  expect(back.rooms).toMatchObject({ [first]: { notification_count: 0, timeline: [] } })
  expect(back.rooms[first]).not.toHaveProperty('initial')
  const readers = back.extensions.receipts.rooms[first].content[eventId]
  expect(Object.keys(readers['m.read'])).toEqual([bob.userId])
  expect(Object.keys(readers['m.read.private'])).toEqual([alice.userId])
  expect(back.extensions.typing.rooms[first].content).toEqual({ user_ids: [bob.userId] })
  expect(back.extensions.account_data.rooms[first]).toEqual([{ type: 'own', content: { a: 1 } }])
  expect((await client.sync(both)).rooms).toEqual({})
})
