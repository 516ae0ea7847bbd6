import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

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

const idsOf = (events: readonly Json[]): string[] => events.map((event) => event.event_id)

describe('/events', () => {
  test('tells what came since, in all rooms of the user, once and in order', async () => {
    const [one, two] = [await alice.createRoom({ preset: 'public_chat' }), await alice.createRoom({ preset: 'public_chat' })]
    await bob.ok('POST', `/join/${one}`)
    const { end: start } = await bob.ok('GET', '/events')
    const seen = [await alice.say(one, 'first'), await bob.say(one, 'second')]
    await alice.say(two, 'not for bob')
    const answer = await bob.ok('GET', `/events?from=${start}`)
    expect(answer).toMatchObject({ start, end: expect.any(String) })
    expect(idsOf(answer.chunk)).toEqual(seen)
    expect(answer.chunk.map((event: Json) => event.room_id)).toEqual([one, one])
    expect((await bob.ok('GET', `/events?from=${answer.end}`)).chunk).toEqual([])
    const all = await alice.ok('GET', `/events?from=${start}`)
    expect(all.chunk.map((event: Json) => event.content.body)).toEqual(['first', 'second', 'not for bob'])
  })

  test('waits for something to come, and not longer than it was told', async () => {
    const roomId = await alice.createRoom()
    const { end } = await alice.ok('GET', '/events')
    const waiting = alice.ok('GET', `/events?from=${end}&timeout=30000`)
    const sent = await alice.say(roomId, 'at last')
    const answer = await waiting
    expect(idsOf(answer.chunk)).toEqual([sent])
    const idle = alice.ok('GET', `/events?from=${answer.end}&timeout=30000`)
    await node.world.clock.advance(30_000)
    expect((await idle).chunk).toEqual([])
  })

  test('too many polls of one device end each other, the oldest first', async () => {
    const { end } = await alice.ok('GET', '/events')
    const answered: number[] = []
    const polls = Array.from({ length: 11 }, async (_, index) => {
      await alice.ok('GET', `/events?from=${end}&timeout=30000`)
      answered.push(index)
    })
    await polls[0]
    expect(answered).toEqual([0])
    await node.world.clock.advance(30_000)
    await Promise.all(polls)
  })

  test('messages between devices stay for /sync', async () => {
    const { next_batch: since } = await bob.sync()
    await alice.ok('PUT', '/sendToDevice/m.test/t1', { messages: { [bob.userId]: { '*': { hello: 1 } } } })
    const { end } = await bob.ok('GET', '/events')
    await bob.ok('GET', `/events?from=${end}`)
    expect((await bob.sync(since)).to_device.events).toHaveLength(1)
    expect((await bob.sync(end)).to_device.events).toHaveLength(1)
  })

  test('a room that the world may read is watched from outside, any other is not', async () => {
    const initial_state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }]
    const open = await alice.createRoom({ preset: 'public_chat', initial_state })
    const closed = await alice.createRoom()
    const { end } = await bob.ok('GET', `/events?room_id=${open}`)
    const sent = await alice.say(open, 'for all')
    expect(idsOf((await bob.ok('GET', `/events?room_id=${open}&from=${end}`)).chunk)).toEqual([sent])
    expect((await bob.ok('GET', `/events?from=${end}`)).chunk).toEqual([])
    await alice.say(closed, 'for few')
    expect(await bob.call('GET', `/events?room_id=${closed}&from=${end}`)).toMatchObject({ status: 403 })
    expect(await bob.call('GET', '/events?from=nonsense')).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })

  test('one event: for who may see it, and as if there were none for others', async () => {
    const roomId = await alice.createRoom()
    const sent = await alice.say(roomId, 'hidden')
    expect(await alice.ok('GET', `/events/${sent}`)).toMatchObject({ event_id: sent, room_id: roomId })
    const missing = { status: 404, body: { errcode: 'M_NOT_FOUND' } }
    expect(await bob.call('GET', `/events/${sent}`)).toMatchObject(missing)
    expect(await bob.call('GET', `/events/$${'A'.repeat(43)}`)).toMatchObject(missing)
    expect(await bob.call('GET', '/events/nonsense')).toMatchObject(missing)
  })
})

describe('/initialSync', () => {
  test('the rooms of a user, their last messages in order, and where to go on', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat', visibility: 'public', name: 'Room' })
    const left = await alice.createRoom({ preset: 'public_chat' })
    const invitedTo = await alice.createRoom({ invite: [bob.userId] })
    for (const joined of [roomId, left]) await bob.ok('POST', `/join/${joined}`)
    await bob.ok('POST', `/rooms/${left}/leave`)
    await alice.say(left, 'after the leave')
    await bob.ok('PUT', `/user/${bob.userId}/rooms/${roomId}/account_data/m.tag`, { tags: {} })
    const said = [await alice.say(roomId, 'one'), await alice.say(roomId, 'two')]
    const answer = await bob.ok('GET', '/initialSync?limit=2')
    const room = answer.rooms.find((each: Json) => each.room_id === roomId)
    expect(room).toMatchObject({ membership: 'join', visibility: 'public', account_data: [{ type: 'm.tag', content: { tags: {} } }] })
    expect(idsOf(room.messages.chunk)).toEqual(said)
    expect(room.state.map((event: Json) => event.type)).toContain('m.room.name')
    const earlier = await bob.ok('GET', `/rooms/${roomId}/messages?dir=b&limit=1&from=${room.messages.start}`)
    expect(earlier.chunk[0]).toMatchObject({ type: 'm.room.member', state_key: bob.userId })
    expect(answer.rooms.find((each: Json) => each.room_id === invitedTo)).toMatchObject({
      membership: 'invite',
      invite: { sender: alice.userId },
    })
    expect(answer.rooms).toHaveLength(2)
    const archived = (await bob.ok('GET', '/initialSync?archived=true')).rooms.find((each: Json) => each.room_id === left)
    expect(archived).toMatchObject({ membership: 'leave' })
    expect(JSON.stringify(archived)).not.toContain('after the leave')
    const later = await alice.say(roomId, 'three')
    expect(idsOf((await bob.ok('GET', `/events?from=${answer.end}`)).chunk)).toEqual([later])
  })

  test('one room: for members, for those who were, and for the world where it may read', async () => {
    const closed = await alice.createRoom({ name: 'Closed' })
    expect(await bob.call('GET', `/rooms/${closed}/initialSync`)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    expect(await alice.ok('GET', `/rooms/${closed}/initialSync?limit=0`)).toMatchObject({
      room_id: closed,
      messages: { chunk: [] },
      visibility: 'private',
    })
    const initial_state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }]
    const open = await alice.createRoom({ preset: 'public_chat', initial_state })
    const sent = await alice.say(open, 'for all')
    const seen = await bob.ok('GET', `/rooms/${open}/initialSync`)
    expect(seen).not.toHaveProperty('membership')
    expect(idsOf(seen.messages.chunk).at(-1)).toBe(sent)
  })
})

test('of those whom the user ignores neither messages nor invites are told', async () => {
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${roomId}`)
  await bob.ok('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
  const { end } = await bob.ok('GET', '/events')
  await alice.say(roomId, 'unheard')
  const initial_state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }]
  const invitedTo = await alice.createRoom({ initial_state, invite: [bob.userId] })
  const own = await bob.say(roomId, 'heard')
  const told = (await bob.ok('GET', `/events?from=${end}`)).chunk.filter(
    (event: Json) => event.room_id === roomId || event.state_key === bob.userId,
  )
  expect(idsOf(told)).toEqual([own])
  const { rooms } = await bob.ok('GET', '/initialSync')
  expect(rooms.map((room: Json) => room.room_id)).toEqual([roomId])
  for (const room of [rooms[0], await bob.ok('GET', `/rooms/${roomId}/initialSync`)])
    expect(room.messages.chunk.filter((event: Json) => event.type === 'm.room.message').map((event: Json) => event.event_id)).toEqual([own])
  expect(await bob.ok('GET', `/rooms/${invitedTo}/initialSync`)).not.toHaveProperty('invite')
})

test('archived rooms are those that the user was in and remembers', async () => {
  const [left, forgotten] = [await alice.createRoom({ preset: 'public_chat' }), await alice.createRoom({ preset: 'public_chat' })]
  for (const roomId of [left, forgotten]) {
    await bob.ok('POST', `/join/${roomId}`)
    await bob.ok('POST', `/rooms/${roomId}/leave`)
  }
  await bob.ok('POST', `/rooms/${forgotten}/forget`)
  const declined = await alice.createRoom({ invite: [bob.userId] })
  await bob.ok('POST', `/rooms/${declined}/leave`)
  const { rooms } = await bob.ok('GET', '/initialSync?archived=true')
  expect(rooms.map((room: Json) => room.room_id)).toEqual([left])
})

test('/initialSync, which tells of all rooms, has bounded pages of each', async () => {
  const roomId = await alice.createRoom()
  for (let index = 0; index < 101; index++) await alice.say(roomId, `${index}`)
  expect((await alice.ok('GET', '/initialSync?limit=1000')).rooms[0].messages.chunk).toHaveLength(100)
})
