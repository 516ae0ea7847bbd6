import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

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

async function sharedRoom(): Promise<string> {
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
  return roomId
}

function texts(answer: Json, roomId: string): string[] {
  return (answer.rooms.join[roomId]?.timeline.events ?? [])
    .filter((event: Json) => event.type === 'm.room.message')
    .map((event: Json) => event.content.body)
}

describe('timelines', () => {
  test('initial, incremental, nothing new, and the same token again', async () => {
    const roomId = await sharedRoom()
    await alice.say(roomId, 'one')
    const initial = await bob.sync()
    expect(texts(initial, roomId)).toEqual(['one'])
    await alice.say(roomId, 'two')
    const next = await bob.sync(initial.next_batch)
    expect(texts(next, roomId)).toEqual(['two'])
    expect(next.rooms.join[roomId].timeline.limited).toBe(false)
    expect((await bob.sync(next.next_batch)).rooms.join).toEqual({})
    // A token from before a restart stays good, and asking again gives the same.
    await node.restart()
    expect(texts(await bob.sync(initial.next_batch), roomId)).toEqual(['two'])
  })

  test('a limited timeline leads to what it left out', async () => {
    const roomId = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    for (let index = 0; index < 12; index++) await alice.say(roomId, `message ${index}`)
    const answer = await bob.sync(since, { filter: JSON.stringify({ room: { timeline: { limit: 5 } } }) })
    expect(texts(answer, roomId)).toEqual([7, 8, 9, 10, 11].map((index) => `message ${index}`))
    const { timeline } = answer.rooms.join[roomId]
    expect(timeline.limited).toBe(true)
    const page = await bob.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=7&from=${timeline.prev_batch}`)
    expect(page.chunk.map((event: Json) => event.content.body)).toEqual([6, 5, 4, 3, 2, 1, 0].map((index) => `message ${index}`))
  })

  test('state in the gap comes beside the timeline, before or after it as the client asks', async () => {
    const roomId = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    const path = `/rooms/${encodeURIComponent(roomId)}`
    await alice.ok('PUT', `${path}/state/m.room.name`, { name: 'In the gap' })
    for (let index = 0; index < 4; index++) await alice.say(roomId, `message ${index}`)
    await alice.ok('PUT', `${path}/state/m.room.topic`, { topic: 'At the end' })
    const filter = JSON.stringify({ room: { timeline: { limit: 2 } } })
    const before = (await bob.sync(since, { filter })).rooms.join[roomId]
    expect(before.state.events.map((event: Json) => event.type)).toEqual(['m.room.name'])
    for (const [parameter, member] of [
      ['use_state_after', 'state_after'],
      ['org.matrix.msc4222.use_state_after', 'org.matrix.msc4222.state_after'],
    ] as const) {
      const after = (await bob.sync(since, { filter, [parameter]: 'true' })).rooms.join[roomId]
      expect(after.state).toBeUndefined()
      expect(after[member].events.map((event: Json) => event.type).sort()).toEqual(['m.room.name', 'm.room.topic'])
    }
  })

  test('lazy loading leaves out members who said nothing; the summary counts them', async () => {
    const roomId = await sharedRoom()
    for (const name of ['carol', 'dave', 'eve', 'frank', 'grace', 'heidi', 'ivan']) {
      const user = await node.register(name)
      await user.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    }
    await alice.say(roomId, 'hello')
    const filter = JSON.stringify({ room: { state: { lazy_load_members: true }, timeline: { limit: 1 } } })
    const { state, summary } = (await bob.sync(undefined, { filter })).rooms.join[roomId]
    const members = state.events.filter((event: Json) => event.type === 'm.room.member').map((event: Json) => event.state_key)
    expect(members).toEqual(expect.arrayContaining([alice.userId, bob.userId]))
    expect(members.length).toBeLessThanOrEqual(7)
    expect(summary).toMatchObject({ 'm.joined_member_count': 9, 'm.invited_member_count': 0 })
    expect(summary['m.heroes']).toHaveLength(5)
  })

  test('transaction ids are told to the device that sent, and to no other', async () => {
    const roomId = await sharedRoom()
    const tokens = [(await alice.sync()).next_batch, (await bob.sync()).next_batch]
    await alice.say(roomId, 'hello', 'my-txn')
    const [own, other] = [await alice.sync(tokens[0]), await bob.sync(tokens[1])]
    expect(own.rooms.join[roomId].timeline.events[0].unsigned.transaction_id).toBe('my-txn')
    expect(other.rooms.join[roomId].timeline.events[0].unsigned.transaction_id).toBeUndefined()
  })

  test('who joins a room with hidden history sees nothing from before', async () => {
    const roomId = await alice.createRoom({
      preset: 'public_chat',
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
    })
    await alice.say(roomId, 'secret')
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    await alice.say(roomId, 'public')
    expect(texts(await bob.sync(), roomId)).toEqual(['public'])
    const { chunk } = await bob.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
    expect(chunk.filter((event: Json) => event.type === 'm.room.message').map((event: Json) => event.content.body)).toEqual(['public'])
  })

  test('who was kicked sees the kick and nothing after it', async () => {
    const roomId = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    await alice.say(roomId, 'before')
    await alice.ok('POST', `/rooms/${encodeURIComponent(roomId)}/kick`, { user_id: bob.userId })
    await alice.say(roomId, 'after')
    const answer = await bob.sync(since)
    expect(answer.rooms.join).toEqual({})
    const { events } = answer.rooms.leave[roomId].timeline
    expect(events.map((event: Json) => event.content.body ?? event.content.membership)).toEqual(['before', 'leave'])
    expect((await bob.sync(answer.next_batch)).rooms.leave).toEqual({})
    const { chunk } = await bob.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=5`)
    expect(chunk.map((event: Json) => event.content.body)).not.toContain('after')
  })
})

describe('long polls', () => {
  async function pending(promise: Promise<unknown>): Promise<boolean> {
    let settled = false
    promise.then(
      () => (settled = true),
      () => (settled = true),
    )
    await node.world.run(0)
    return !settled
  }

  test('wait for news of this user, and answer it at once', async () => {
    const roomId = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    const poll = bob.sync(since, { timeout: '30000' })
    expect(await pending(poll)).toBe(true)
    // What is nobody's business but Alice's wakes nobody else.
    await alice.ok('PUT', `/user/${alice.userId}/account_data/m.private`, { a: 1 })
    expect(await pending(poll)).toBe(true)
    await alice.say(roomId, 'wake up')
    expect(texts(await poll, roomId)).toEqual(['wake up'])
  })

  test('end with the time', async () => {
    const { next_batch: since } = await bob.sync()
    const poll = bob.sync(since, { timeout: '10000' })
    expect(await pending(poll)).toBe(true)
    await node.world.run(10_000)
    expect((await poll).rooms.join).toEqual({})
  })

  test('go on behind what they slept through', async () => {
    const { next_batch: since } = await bob.sync()
    const poll = bob.sync(since, { timeout: '10000' })
    for (let index = 0; index < 50; index++) await alice.ok('PUT', `/user/${alice.userId}/account_data/m.private`, { index })
    expect(await pending(poll)).toBe(true)
    await node.world.run(10_000)
    const { next_batch: next } = await poll
    expect(Number(next.slice(1))).toBeGreaterThanOrEqual(Number(since.slice(1)) + 50)
  })

  test('end when the client goes away', async () => {
    const { next_batch: since } = await bob.sync()
    const client = new AbortController()
    const poll = bob.call('GET', `/sync?since=${since}&timeout=30000`, undefined, client.signal)
    expect(await pending(poll)).toBe(true)
    client.abort()
    expect((await poll).status).toBe(499)
  })

  test('too many of one device end each other, the oldest first', async () => {
    const { next_batch: since } = await bob.sync()
    const polls = Array.from({ length: 12 }, () => bob.sync(since, { timeout: '30000' }))
    expect(await pending(polls[0]!)).toBe(false)
    expect(await pending(polls[1]!)).toBe(false)
    expect(await pending(polls[11]!)).toBe(true)
    await node.world.run(30_000)
    await Promise.all(polls)
  })
})

describe('what is not in the timeline', () => {
  test('typing starts, shows, and ends by itself', async () => {
    const roomId = await sharedRoom()
    const typingIn = (answer: Json): string[] | undefined => answer.rooms.join[roomId]?.ephemeral.events[0]?.content.user_ids
    const { next_batch: since } = await bob.sync()
    await alice.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/typing/${alice.userId}`, { typing: true, timeout: 5000 })
    const typing = await bob.sync(since)
    expect(typingIn(typing)).toEqual([alice.userId])
    const poll = bob.sync(typing.next_batch, { timeout: '30000' })
    await node.world.run(5000)
    expect(typingIn(await poll)).toEqual([])
  })

  test('whoever joins is told who is typing already', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await alice.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/typing/${alice.userId}`, { typing: true })
    await alice.say(roomId, 'and goes on')
    const { next_batch: since } = await bob.sync()
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    expect((await bob.sync(since)).rooms.join[roomId].ephemeral.events).toEqual([
      { type: 'm.typing', content: { user_ids: [alice.userId] } },
    ])
  })

  test('receipts come to all, private ones to oneself', async () => {
    const roomId = await sharedRoom()
    const eventId = await alice.say(roomId, 'read me')
    const tokens = [(await alice.sync()).next_batch, (await bob.sync()).next_batch]
    const path = `/rooms/${encodeURIComponent(roomId)}`
    await bob.ok('POST', `${path}/receipt/m.read.private/${eventId}`, {})
    expect((await alice.sync(tokens[0])).rooms.join).toEqual({})
    expect((await bob.sync(tokens[1])).rooms.join[roomId].ephemeral.events[0].content[eventId]).toMatchObject({
      'm.read.private': { [bob.userId]: {} },
    })
    await bob.ok('POST', `${path}/read_markers`, { 'm.fully_read': eventId, 'm.read': eventId })
    expect((await alice.sync(tokens[0])).rooms.join[roomId].ephemeral.events[0].content).toEqual({
      [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } },
    })
    expect((await bob.sync(tokens[1])).rooms.join[roomId].account_data.events).toEqual([
      { type: 'm.fully_read', content: { event_id: eventId } },
    ])
  })

  test('what is fully read is an event of that room', async () => {
    const [roomId, elsewhere] = [await sharedRoom(), await sharedRoom()]
    const eventId = await alice.say(elsewhere, 'elsewhere')
    const path = `/rooms/${encodeURIComponent(roomId)}`
    const refused = { status: 400, body: { errcode: 'M_INVALID_PARAM' } }
    for (const marked of [eventId, `$${'x'.repeat(43)}`]) {
      expect(await bob.call('POST', `${path}/read_markers`, { 'm.fully_read': marked })).toMatchObject(refused)
      expect(await bob.call('POST', `${path}/receipt/m.fully_read/${marked}`, {})).toMatchObject(refused)
    }
    expect(await bob.call('GET', `/user/${bob.userId}${path}/account_data/m.fully_read`)).toMatchObject({ status: 404 })
  })

  test('account data comes when it changed, whole at first', async () => {
    const { next_batch: since, account_data: initial } = await alice.sync()
    expect(initial.events.map((event: Json) => event.type)).toEqual(['m.push_rules'])
    await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { a: ['1'] })
    await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { a: ['2'] })
    expect((await alice.sync(since)).account_data.events).toEqual([{ type: 'm.direct', content: { a: ['2'] } }])
    await alice.ok('PUT', '/pushrules/global/override/.m.rule.master/enabled', { enabled: true })
    const { events } = (await alice.sync(since)).account_data
    const rules = events.find((event: Json) => event.type === 'm.push_rules').content.global
    expect(rules.override[0]).toMatchObject({ rule_id: '.m.rule.master', enabled: true })
  })

  test('unread counts rise with messages and fall with receipts', async () => {
    const roomId = await sharedRoom()
    const { next_batch: since } = await bob.sync()
    await alice.say(roomId, 'one')
    const mention = { body: 'hey bob, two', 'm.mentions': { user_ids: [bob.userId] } }
    const { event_id: last } = await alice.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/two`, mention)
    const unread = (answer: Json) => answer.rooms.join[roomId].unread_notifications
    expect(unread(await bob.sync(since))).toEqual({ notification_count: 2, highlight_count: 1 })
    await bob.ok('POST', `/rooms/${encodeURIComponent(roomId)}/receipt/m.read/${last}`, {})
    expect(unread(await bob.sync(since))).toEqual({ notification_count: 0, highlight_count: 0 })
  })

  test('device lists name whose keys changed, who came, and who left', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const { next_batch: since } = await alice.sync()
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    const came = await alice.sync(since)
    expect(came.device_lists).toEqual({ changed: [bob.userId], left: [] })
    const keys = {
      user_id: bob.userId,
      device_id: bob.deviceId,
      algorithms: [],
      keys: { [`ed25519:${bob.deviceId}`]: 'k' },
      signatures: {},
    }
    await bob.ok('POST', '/keys/upload', { device_keys: keys, one_time_keys: { 'signed_curve25519:A': { key: 'a' } } })
    const changed = await alice.sync(came.next_batch)
    expect(changed.device_lists).toEqual({ changed: [bob.userId], left: [] })
    expect((await bob.sync()).device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
    const stranger = await node.register('stranger')
    const strangerSince = (await stranger.sync()).next_batch
    await bob.ok('PUT', `/devices/${bob.deviceId}`, { display_name: 'Phone' })
    expect((await stranger.sync(strangerSince)).device_lists).toEqual({ changed: [], left: [] })
    await bob.ok('POST', `/rooms/${encodeURIComponent(roomId)}/leave`)
    expect((await alice.sync(changed.next_batch)).device_lists.left).toEqual([bob.userId])
    expect(await alice.ok('GET', `/keys/changes?from=${changed.next_batch}&to=${(await alice.sync()).next_batch}`)).toMatchObject({
      left: [bob.userId],
    })
  })
})

describe('to-device messages', () => {
  const send = async (txnId: string, content: object, to = bob.deviceId): Promise<void> =>
    alice.ok('PUT', `/sendToDevice/m.custom/${txnId}`, { messages: { [bob.userId]: { [to]: content } } })

  test('arrive once for a transaction id, and stay until they are acknowledged', async () => {
    await send('1', { n: 1 })
    await send('1', { n: 1 })
    await send('2', { n: 2 }, '*')
    const first = await bob.sync()
    expect(first.to_device.events.map((event: Json) => event.content.n)).toEqual([1, 2])
    expect(first.to_device.events[0]).toEqual({ sender: alice.userId, type: 'm.custom', content: { n: 1 } })
    await node.restart()
    // The answer may have been lost on the way.
    expect((await bob.sync()).to_device.events).toHaveLength(2)
    const second = await bob.sync(first.next_batch)
    expect(second.to_device.events).toEqual([])
    expect((await bob.sync()).to_device.events).toEqual([])
  })

  test('more than fit into one answer come one after the other, without loss', async () => {
    for (let index = 0; index < 250; index++) await send(`t${index}`, { n: index })
    const seen: number[] = []
    let since: string | undefined
    for (let round = 0; round < 5; round++) {
      const answer: Json = await bob.sync(since)
      seen.push(...answer.to_device.events.map((event: Json) => event.content.n))
      since = answer.next_batch
    }
    expect(seen).toEqual(Array.from({ length: 250 }, (_, index) => index))
  })

  test('unknown devices and users get nothing, and bad ids are refused', async () => {
    await send('1', { n: 1 }, 'NOBODY')
    expect((await bob.sync()).to_device.events).toEqual([])
    expect(await alice.call('PUT', '/sendToDevice/m.custom/2', { messages: { nobody: { '*': {} } } })).toMatchObject({ status: 400 })
  })

  test('device lists name nobody as gone with whom no room was shared', async () => {
    const here = await alice.createRoom({ preset: 'public_chat' })
    const passing = await alice.createRoom({ preset: 'public_chat' })
    const carol = await node.register('carol')
    await carol.ok('POST', `/join/${encodeURIComponent(here)}`)
    await alice.ok('POST', `/rooms/${encodeURIComponent(here)}/invite`, { user_id: bob.userId })
    const [hers, bobs] = [(await alice.sync()).next_batch, (await bob.sync()).next_batch]
    // An invite that is declined, on both sides; and a member that comes and goes between two answers.
    await bob.ok('POST', `/rooms/${encodeURIComponent(here)}/leave`)
    await bob.ok('POST', `/join/${encodeURIComponent(passing)}`)
    await bob.ok('POST', `/rooms/${encodeURIComponent(passing)}/leave`)
    expect((await alice.sync(hers)).device_lists.left).toEqual([])
    expect((await bob.sync(bobs)).device_lists.left).toEqual([])
    await alice.ok('POST', `/rooms/${encodeURIComponent(here)}/leave`)
    expect((await alice.sync(hers)).device_lists.left).toEqual([carol.userId])
  })
})
