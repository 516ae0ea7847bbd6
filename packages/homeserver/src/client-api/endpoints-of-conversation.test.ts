import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

const encode = encodeURIComponent

async function setting(): Promise<{ node: TestNode; alice: TestUser; bob: TestUser; roomId: string; at: string } & AsyncDisposable> {
  const node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${encode(roomId)}`, {})
  return { node, alice, bob, roomId, at: `/rooms/${encode(roomId)}`, [Symbol.asyncDispose]: async () => node[Symbol.asyncDispose]() }
}

async function ignore(user: TestUser, ...others: TestUser[]): Promise<void> {
  const ignored = Object.fromEntries(others.map(({ userId }) => [userId, {}]))
  await user.ok('PUT', `/user/${encode(user.userId)}/account_data/m.ignored_user_list`, { ignored_users: ignored })
}

const bodies = (events: Json[]): string[] => events.flatMap(({ content }) => content.body ?? [])

test('messages of ignored users are in no page, context or search; their state is', async () => {
  await using here = await setting()
  const { alice, bob, at } = here
  await alice.say(here.roomId, 'one tea')
  await bob.say(here.roomId, 'two tea')
  const third = await alice.say(here.roomId, 'three tea')
  await ignore(alice, bob)
  const { chunk } = await alice.ok('GET', `${at}/messages?dir=b&limit=100`)
  expect(bodies(chunk)).toEqual(['three tea', 'one tea'])
  expect(chunk.some(({ type, state_key }: Json) => type === 'm.room.member' && state_key === bob.userId)).toBe(true)
  expect(bodies((await alice.ok('GET', `${at}/context/${encode(third)}`)).events_before)).toEqual(['one tea'])
  const found = await alice.ok('POST', '/search', { search_categories: { room_events: { search_term: 'tea', order_by: 'recent' } } })
  expect(bodies(found.search_categories.room_events.results.map(({ result }: Json) => result)).toSorted()).toEqual(['one tea', 'three tea'])
  expect(found.search_categories.room_events.count).toBe(2)
  // Ignoring oneself hides nothing.
  await ignore(bob, bob)
  expect(bodies((await bob.ok('GET', `${at}/messages?dir=b&limit=100`)).chunk)).toHaveLength(3)
})

test('pages of messages are filtered by type, sender, links and relations, and end at a token', async () => {
  await using here = await setting()
  const { alice, bob, roomId, at } = here
  const said = await alice.say(roomId, 'tea')
  const send = async (user: TestUser, type: string, content: object): Promise<string> =>
    (await user.ok('PUT', `${at}/send/${type}/t${Math.random()}`, content)).event_id
  const picture = await send(alice, 'm.room.message', { msgtype: 'm.image', body: 'picture', url: 'mxc://x/y' })
  const reaction = await send(bob, 'm.reaction', { 'm.relates_to': { rel_type: 'm.annotation', event_id: said, key: '+' } })
  const page = async (filter: object, query = 'dir=b'): Promise<string[]> => {
    const { chunk } = await alice.ok('GET', `${at}/messages?${query}&limit=100&filter=${encode(JSON.stringify(filter))}`)
    return chunk.map(({ event_id }: Json) => event_id)
  }
  expect(await page({ types: ['m.room.message'] })).toEqual([picture, said])
  expect(await page({ types: ['m.room.message'], contains_url: true })).toEqual([picture])
  expect(await page({ types: ['m.room.message'], contains_url: false })).toEqual([said])
  expect(await page({ senders: [bob.userId], not_types: ['m.room.*'] })).toEqual([reaction])
  expect(await page({ related_by_rel_types: ['m.annotation'] })).toEqual([said])
  expect(await page({ related_by_rel_types: ['m.thread'] })).toEqual([])
  expect(await page({ related_by_senders: [bob.userId] })).toEqual([said])
  expect(await page({ related_by_senders: [alice.userId] })).toEqual([])
  await ignore(alice, bob)
  expect(await page({ related_by_senders: [bob.userId] })).toEqual([])
  const { start, end, events_before: before } = await alice.ok('GET', `${at}/context/${encode(said)}?limit=4`)
  expect(before).toHaveLength(2)
  const until = await page({}, `dir=b&to=${start}`)
  expect(until.slice(-2)).toEqual([before[0].event_id, before[1].event_id])
  expect(await page({ types: ['m.room.message'] }, `dir=f&to=${end}`)).toEqual([said, picture])
})

test('an invite or a knock that stands cannot be forgotten, one that was declined can', async () => {
  await using here = await setting()
  const { alice, bob } = here
  const knocking = [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }]
  const include = { filter: JSON.stringify({ room: { include_leave: true } }) }
  for (const knocks of [true, false]) {
    const roomId = await alice.createRoom({ initial_state: knocks ? knocking : [], invite: knocks ? [] : [bob.userId] })
    const at = `/rooms/${encode(roomId)}`
    if (knocks) await bob.ok('POST', `/knock/${encode(roomId)}`, {})
    expect(await bob.call('POST', `${at}/forget`)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
    await bob.ok('POST', `${at}/leave`, {})
    expect(Object.keys((await bob.sync(undefined, include)).rooms.leave)).toContain(roomId)
    await bob.ok('POST', `${at}/forget`)
    expect(Object.keys((await bob.sync(undefined, include)).rooms.leave)).not.toContain(roomId)
  }
})

test('a forgotten room is read by nobody who forgot it, and is none of theirs, until they are invited or join again', async () => {
  await using here = await setting()
  const { alice, bob, roomId, at } = here
  await alice.say(roomId, 'tea')
  expect((await bob.call('POST', `${at}/forget`)).status).toBe(400)
  await bob.ok('POST', `${at}/leave`, {})
  const include = { filter: JSON.stringify({ room: { include_leave: true } }) }
  expect(Object.keys((await bob.sync(undefined, include)).rooms.leave)).toEqual([roomId])
  expect((await bob.call('GET', `${at}/messages?dir=b`)).status).toBe(200)
  await bob.ok('POST', `${at}/forget`)
  const isForgotten = async (): Promise<void> => {
    expect((await bob.sync(undefined, include)).rooms.leave).toEqual({})
    for (const path of ['messages?dir=b', 'state', 'members']) expect((await bob.call('GET', `${at}/${path}`)).status, path).toBe(403)
    const search = { search_categories: { room_events: { search_term: 'tea' } } }
    expect((await bob.ok('POST', '/search', search)).search_categories.room_events.results).toEqual([])
  }
  await isForgotten()
  await here.node.restart()
  await isForgotten()
  await bob.ok('POST', `/join/${encode(roomId)}`, {})
  expect((await bob.call('GET', `${at}/messages?dir=b`)).status).toBe(200)
})

test('members are told as they were when a sync ended and when a page began, chosen by membership', async () => {
  await using here = await setting()
  const { node, alice, bob, roomId, at } = here
  const { next_batch: then, rooms } = await alice.sync()
  const { prev_batch: before } = rooms.join[roomId].timeline
  const carol = await node.register('carol')
  await carol.ok('POST', `/join/${encode(roomId)}`, {})
  await bob.ok('POST', `${at}/leave`, {})
  const members = async (query: string): Promise<string[]> => {
    const { chunk } = await alice.ok('GET', `${at}/members?${query}`)
    return chunk.map(({ state_key, content }: Json) => `${state_key.slice(1, 4)} ${content.membership}`).toSorted()
  }
  expect(await members('')).toEqual(['ali join', 'bob leave', 'car join'])
  expect(await members(`at=${then}`)).toEqual(['ali join', 'bob join'])
  expect(await members('membership=join')).toEqual(['ali join', 'car join'])
  expect(await members('not_membership=join')).toEqual(['bob leave'])
  const { prev_batch: afterAll } = (await alice.sync(then)).rooms.join[roomId].timeline
  expect(await members(`at=${afterAll}`)).toEqual(['ali join', 'bob join'])
  expect(typeof before).toBe('string')
  expect((await alice.call('GET', `${at}/members?at=nonsense`)).status).toBe(400)
})

test('reports are kept for the owner, who alone reads them; the answers do not tell what exists', async () => {
  await using here = await setting()
  const { alice, bob, roomId, at } = here
  const said = await alice.say(roomId, 'rude')
  await bob.ok('POST', `${at}/report/${encode(said)}`, { reason: 'rude' })
  await bob.ok('POST', `${at}/report`, { reason: '' })
  await bob.ok('POST', `/rooms/${encode('!nothing:example.org')}/report`, { reason: 'x' })
  await bob.ok('POST', `/users/${encode('@nobody:example.org')}/report`, { reason: 'x' })
  const secret = await alice.createRoom({})
  const hidden = await alice.say(secret, 'hidden')
  const unknown = [
    `/rooms/${encode(secret)}/report/${encode(hidden)}`,
    `${at}/report/${encode(hidden)}`,
    `${at}/report/${encode('$nothing:example.org')}`,
    `/rooms/${encode('!nothing:example.org')}/report/${encode('$nothing:example.org')}`,
  ]
  const refusals = await Promise.all(unknown.map(async (path) => bob.call('POST', path, {})))
  expect(new Set(refusals.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(1)
  expect(refusals[0]?.status).toBe(404)
  expect((await bob.call('POST', `${at}/report`, {})).status).toBe(400)
  const list = '/_matrix/client/unstable/im.kith/reports'
  expect((await bob.call('GET', list)).status).toBe(403)
  await here.node.restart()
  const { reports } = await alice.ok('GET', list)
  expect(reports.map(({ about }: Json) => about.kind)).toEqual(['user', 'room', 'room', 'event'])
  expect(reports.at(-1)).toMatchObject({ by: bob.userId, reason: 'rude', about: { eventId: said, sender: alice.userId, roomId } })
  const many = await Promise.all(Array.from({ length: 30 }, async () => bob.call('POST', `${at}/report`, { reason: 'x' })))
  expect(many.some(({ status }) => status === 429)).toBe(true)
})

test('mutual rooms are those where both are joined', async () => {
  await using here = await setting()
  const { alice, bob, roomId } = here
  const alone = await alice.createRoom({})
  await alice.ok('POST', `/rooms/${encode(alone)}/invite`, { user_id: bob.userId })
  for (const path of ['/_matrix/client/v1/mutual_rooms', '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms']) {
    expect(await alice.ok('GET', `${path}?user_id=${encode(bob.userId)}`)).toEqual({ joined: [roomId], count: 1 })
    const wrong = ['', `?user_id=${encode(alice.userId)}`, '?user_id=nobody', `?user_id=${encode(bob.userId)}&from=nonsense`]
    for (const query of wrong) expect((await alice.call('GET', `${path}${query}`)).status, query).toBe(400)
  }
})

test('users are found by words of their names and ids, best first, where they may be known', async () => {
  await using here = await setting()
  const { node, alice, bob } = here
  const names = { bobby: 'Bob the Builder', carol: 'Builder', dave: 'ÉMILE builder' }
  for (const [name, displayname] of Object.entries(names)) {
    const user = await node.register(name)
    await user.ok('PUT', `/profile/${encode(user.userId)}/displayname`, { displayname })
  }
  const search = async (term: string, limit?: number): Promise<Json> =>
    alice.ok('POST', '/user_directory/search', { search_term: term, ...(limit === undefined ? {} : { limit }) })
  const locals = async (term: string): Promise<string[]> =>
    (await search(term)).results.map(({ user_id }: Json) => user_id.slice(1).split(':')[0])
  expect(await locals('builder')).toEqual(['carol', 'bobby', 'dave'])
  expect(await locals('bob')).toEqual(['bob', 'bobby'])
  expect(await locals('builder BOB')).toEqual(['bobby'])
  expect(await locals('émile')).toEqual(['dave'])
  expect(await locals(bob.userId)).toEqual(['bob'])
  expect(await locals('nobody at all')).toEqual([])
  expect(await locals('')).toEqual([])
  expect(await search('builder', 2)).toMatchObject({ limited: true, results: [{ display_name: 'Builder' }, {}] })
  expect((await search('builder', 3)).limited).toBe(false)
})

test('tags have an order from 0 to 1, and names that fit', async () => {
  await using here = await setting()
  const { alice, roomId } = here
  const put = async (tag: string, body: object): Promise<number> =>
    (await alice.call('PUT', `/user/${encode(alice.userId)}/rooms/${encode(roomId)}/tags/${encode(tag)}`, body)).status
  expect(await Promise.all([put('m.favourite', { order: 0.5 }), put('u.work', {}), put('u.first', { order: 0 })])).toEqual([200, 200, 200])
  expect(await Promise.all([{ order: 2 }, { order: -1 }, { order: '0.5' }].map(async (body) => put('u.x', body)))).toEqual([400, 400, 400])
  expect(await put('ü'.repeat(128), {})).toBe(400)
})

test('a summary of a room is there under the paths of before, too', async () => {
  await using here = await setting()
  const { alice, roomId } = here
  const paths = ['v1/room_summary/$', 'unstable/im.nheko.summary/summary/$', 'unstable/im.nheko.summary/rooms/$/summary']
  for (const path of paths)
    expect(await alice.ok('GET', `/_matrix/client/${path.replace('$', encode(roomId))}`)).toMatchObject({
      room_id: roomId,
      membership: 'join',
    })
})
