import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SharedRoom } from '../client-api/shared-room.test-support.ts'
import type { Json, TestNode, TestUser } from '../client-api/test-node.test-support.ts'

let room: SharedRoom
let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string
let path: string

beforeEach(async () => {
  room = await SharedRoom.open()
  ;({ node, alice, bob, roomId, path } = room)
})

afterEach(async () => room[Symbol.asyncDispose]())

async function section(filter: object, since?: string, parameters: Record<string, string> = {}): Promise<Json> {
  return (await bob.sync(since, { filter: JSON.stringify(filter), ...parameters })).rooms.join[roomId]
}

function bodies({ timeline }: Json): string[] {
  return timeline.events.map((event: Json) => event.content.body)
}

async function send(type: string, content: object, user = alice): Promise<string> {
  return (await user.ok('PUT', `${path}/send/${type}/t${Math.random()}`, content)).event_id
}

test.each([
  ['not JSON', '{', 'M_NOT_JSON'],
  ['no object', '[]', undefined],
  ['of wrong types', '{"types":"m.room.message"}', 'M_BAD_JSON'],
  ['with a wrong limit', '{"limit":"ten"}', 'M_BAD_JSON'],
  ['related by no list', '{"related_by_rel_types":{}}', 'M_BAD_JSON'],
  ['with what cannot be signed', '{"limit":3,"more":0.5}', 'M_BAD_JSON'],
])('a filter in a query that is %s is refused as a stored one is', async (_name, filter, errcode) => {
  const eventId = await send('m.room.message', { msgtype: 'm.text', body: 'hello' })
  const given = `filter=${encodeURIComponent(filter)}`
  const inRoom = filter.startsWith('{"') ? JSON.stringify({ room: { timeline: JSON.parse(filter) } }) : filter
  const replies = [
    await bob.call('GET', `${path}/messages?dir=b&${given}`),
    await bob.call('GET', `${path}/context/${eventId}?${given}`),
    await bob.call('GET', `/sync?filter=${encodeURIComponent(inRoom)}`),
    await bob.call('POST', `/user/${bob.userId}/filter`, inRoom),
  ]
  for (const { status, body } of replies) expect([status, body.errcode]).toEqual([400, errcode ?? body.errcode])
})

describe('timelines', () => {
  test('a limit counts what the filter lets through, and paging goes on before it', async () => {
    for (let index = 0; index < 6; index++) {
      await alice.say(roomId, `${index}`)
      for (let noise = 0; noise < 40; noise++) await send('x.noise', {})
    }
    const shown = await section({ room: { timeline: { types: ['m.room.mess*'], limit: 4 } } })
    expect(bodies(shown)).toEqual(['2', '3', '4', '5'])
    expect(shown.timeline.limited).toBe(true)
    const filter = encodeURIComponent(JSON.stringify({ types: ['m.room.message'] }))
    const page = await bob.ok('GET', `${path}/messages?dir=b&limit=100&from=${shown.timeline.prev_batch}&filter=${filter}`)
    expect(page.chunk.map((event: Json) => event.content.body)).toEqual(['1', '0'])
    // Exactly as many as there are: nothing was left out.
    expect((await section({ room: { timeline: { types: ['m.room.message'], limit: 6 } } })).timeline.limited).toBe(false)
    expect((await section({ room: { timeline: { limit: 0 } } })).timeline).toMatchObject({ events: [], limited: true })
  })

  test('senders, urls, and rooms of one part', async () => {
    await send('m.room.message', { body: 'with', url: 'mxc://a/b' })
    await send('m.room.message', { body: 'without' }, bob)
    const of = async (timeline: object) => bodies(await section({ room: { timeline: { types: ['m.room.message'], ...timeline } } }))
    expect(await of({ contains_url: true })).toEqual(['with'])
    expect(await of({ contains_url: false })).toEqual(['without'])
    expect(await of({ senders: [alice.userId] })).toEqual(['with'])
    expect(await of({ not_senders: [alice.userId] })).toEqual(['without'])
    expect(await of({ senders: [alice.userId], not_senders: [alice.userId] })).toEqual([])
    expect(await of({ not_rooms: [roomId] })).toEqual([])
    // A star is one only in types.
    expect(await of({ senders: ['*'] })).toEqual([])
  })

  test('events as servers exchange them, and parts of events', async () => {
    await alice.say(roomId, 'hello')
    const timeline = { limit: 1 }
    const [raw] = (await section({ room: { timeline }, event_format: 'federation' })).timeline.events
    expect(Object.keys(raw)).toEqual(expect.arrayContaining(['auth_events', 'prev_events', 'hashes', 'signatures', 'depth']))
    const [part] = (await section({ room: { timeline }, event_fields: ['type', 'content.body', 'content.absent'] })).timeline.events
    expect(part).toEqual({ type: 'm.room.message', content: { body: 'hello' } })
  })

  test('a change of state that the timeline is not to show stands beside it', async () => {
    const { next_batch: since } = await bob.sync()
    await alice.ok('PUT', `${path}/state/m.room.name/`, { name: 'hidden' })
    await alice.say(roomId, 'shown')
    const timeline = { types: ['m.room.message'] }
    for (const parameters of [{}, { use_state_after: 'true' }] as Record<string, string>[]) {
      const shown = await section({ room: { timeline } }, since, parameters)
      const state = shown.state ?? shown.state_after
      expect(state.events.map((event: Json) => event.content)).toEqual([{ name: 'hidden' }])
    }
    expect((await section({ room: { timeline, state: { not_types: ['m.room.name'] } } }, since)).state.events).toEqual([])
  })
})

describe('members loaded as they are needed', () => {
  const lazy = (more: object = {}, limit = 1) => ({ room: { timeline: { limit }, state: { lazy_load_members: true, ...more } } })
  const members = (shown: Json) =>
    shown.state.events.filter((event: Json) => event.type === 'm.room.member').map((event: Json) => event.state_key)

  async function crowd(): Promise<TestUser[]> {
    const users: TestUser[] = []
    for (const name of ['c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k']) {
      const user = await node.register(name)
      await user.ok('POST', `/join/${encodeURIComponent(roomId)}`)
      users.push(user)
    }
    return users
  }

  test('senders of later timelines come with their first message, and not again', async () => {
    const users = await crowd()
    const [last, other] = [users.at(-1)!, users.at(-2)!]
    await alice.say(roomId, 'first')
    const answer = await bob.sync(undefined, { filter: JSON.stringify(lazy()) })
    expect(members(answer.rooms.join[roomId])).not.toContain(last.userId)
    await last.say(roomId, 'one')
    const first = await bob.sync(answer.next_batch, { filter: JSON.stringify(lazy()) })
    expect(members(first.rooms.join[roomId])).toEqual([last.userId])
    // The answer may have been lost: whoever asks again gets it again.
    expect(members(await section(lazy(), answer.next_batch))).toEqual([last.userId])
    await last.say(roomId, 'two')
    await other.say(roomId, 'three')
    expect(members(await section(lazy({}, 5), first.next_batch))).toEqual([other.userId])
    expect(members(await section(lazy({ include_redundant_members: true }, 5), first.next_batch)).toSorted()).toEqual(
      [last.userId, other.userId].toSorted(),
    )
    // A server that began anew knows nothing of what it told; too much is right.
    await node.restart()
    expect(members(await section(lazy({}, 5), first.next_batch)).toSorted()).toEqual([last.userId, other.userId].toSorted())
  })

  test('changes within a gap come whether or not they are needed', async () => {
    const users = await crowd()
    const { next_batch: since } = await bob.sync(undefined, { filter: JSON.stringify(lazy()) })
    await users[0]!.ok('PUT', `/profile/${users[0]!.userId}/displayname`, { displayname: 'other' })
    for (let index = 0; index < 5; index++) await alice.say(roomId, `${index}`)
    const shown = await section(lazy(), since)
    expect(shown.timeline.limited).toBe(true)
    expect(members(shown)).toContain(users[0]!.userId)
  })

  test('those who came first name the room', async () => {
    const users = await crowd()
    const { summary } = await section(lazy())
    expect(summary['m.heroes']).toEqual([alice, ...users.slice(0, 4)].map(({ userId }) => userId))
  })
})

test('rooms are chosen before their parts; other parts have filters too', async () => {
  const other = await bob.createRoom()
  const join = async (room: object) => Object.keys((await bob.sync(undefined, { filter: JSON.stringify({ room }) })).rooms.join)
  expect(await join({ rooms: [other] })).toEqual([other])
  expect(await join({ not_rooms: [other] })).toEqual([roomId])
  expect(await join({ rooms: [other], not_rooms: [other] })).toEqual([])
  await bob.ok('PUT', `/user/${bob.userId}/rooms/${encodeURIComponent(roomId)}/account_data/x.y`, { a: 1 })
  const last = await alice.say(roomId, 'read me')
  await bob.ok('POST', `${path}/receipt/m.read/${last}`, {})
  const none = await section({ room: { account_data: { not_types: ['x.*'] }, ephemeral: { types: [] } } })
  expect([none.account_data.events, none.ephemeral.events]).toEqual([[], []])
  const all = await section({})
  expect([all.account_data.events.length, all.ephemeral.events.length]).toEqual([1, 1])
})

test('a room that was left is shown with the state of then to who asks for it', async () => {
  await bob.ok('POST', `${path}/leave`)
  await alice.ok('PUT', `${path}/state/m.room.name/`, { name: 'after' })
  expect((await bob.sync()).rooms.leave).toEqual({})
  const filter = JSON.stringify({ room: { include_leave: true, timeline: { limit: 1 } } })
  const { leave } = (await bob.sync(undefined, { filter, use_state_after: 'true' })).rooms
  const types = leave[roomId].state_after.events.map((event: Json) => event.type)
  expect(types).toContain('m.room.create')
  expect(types).not.toContain('m.room.name')
})
