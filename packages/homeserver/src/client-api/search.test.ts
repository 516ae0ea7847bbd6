import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

const encode = encodeURIComponent

async function setting(): Promise<{ node: TestNode; alice: TestUser; bob: TestUser; roomId: string } & AsyncDisposable> {
  const node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Tea house' })
  await bob.ok('POST', `/join/${encode(roomId)}`, {})
  return { node, alice, bob, roomId, [Symbol.asyncDispose]: async () => node[Symbol.asyncDispose]() }
}

async function search(user: TestUser, criteria: object, token?: string): Promise<Json> {
  const query = token === undefined ? '' : `?next_batch=${encode(token)}`
  return (await user.ok('POST', `/search${query}`, { search_categories: { room_events: criteria } })).search_categories.room_events
}

const bodies = (found: Json): string[] => found.results.map(({ result }: Json) => result.content.body)

test('results come in pages, with a count of all and the words to highlight', async () => {
  await using here = await setting()
  const { alice, roomId } = here
  const all: string[] = []
  for (let index = 0; index < 7; index++) {
    await alice.say(roomId, `Téa number ${index}`)
    all.push(`Téa number ${index}`)
  }
  await alice.say(roomId, 'coffee')
  for (const order of ['recent', 'rank']) {
    const found: string[] = []
    let token: string | undefined
    do {
      const page = await search(alice, { search_term: 'TEA', keys: ['content.body'], order_by: order, filter: { limit: 3 } }, token)
      expect([page.count, page.highlights]).toEqual([7, ['tea']])
      for (const { rank } of page.results) expect(rank).toBeGreaterThan(0)
      found.push(...bodies(page))
      token = page.next_batch
    } while (token !== undefined)
    expect(found.toSorted()).toEqual(all)
  }
})

test('results are grouped by room and sender, and each group goes on by itself', async () => {
  await using here = await setting()
  const { alice, bob, roomId } = here
  const other = await alice.createRoom({})
  for (let index = 0; index < 4; index++) {
    await alice.say(roomId, `tea ${index} of alice`)
    await bob.say(roomId, `tea ${index} of bob`)
    await alice.say(other, `tea ${index} elsewhere`)
  }
  const criteria = {
    search_term: 'tea',
    keys: ['content.body'],
    filter: { limit: 6 },
    groupings: { group_by: [{ key: 'room_id' }, { key: 'sender' }] },
  }
  const first = await search(alice, criteria)
  for (const [key, ofGroup] of [
    ['room_id', ({ room_id }: Json): string => room_id],
    ['sender', ({ sender }: Json): string => sender],
  ] as const) {
    const inGroups: string[] = []
    for (const [value, group] of Object.entries<Json>(first.groups[key])) {
      inGroups.push(...group.results)
      const found: Json[] = first.results.map(({ result }: Json) => result).filter((result: Json) => ofGroup(result) === value)
      expect(group.results).toEqual(found.map(({ event_id }) => event_id))
      const rest = await search(alice, { ...criteria, filter: { limit: 50 } }, group.next_batch)
      found.push(...rest.results.map(({ result }: Json) => result))
      expect(found.every((result) => ofGroup(result) === value)).toBe(true)
      const expected = key === 'room_id' ? (value === other ? 4 : 8) : value === alice.userId ? 8 : 4
      expect([value, new Set(found.map(({ event_id }) => event_id)).size]).toEqual([value, expected])
    }
    expect(inGroups.toSorted()).toEqual(first.results.map(({ result }: Json) => result.event_id).toSorted())
  }
})

test('a result comes with what is around it, with the profiles of then, and with the state, where that is asked for', async () => {
  await using here = await setting()
  const { alice, bob, roomId } = here
  await alice.say(roomId, 'before')
  const said = await bob.say(roomId, 'wanted')
  await alice.say(roomId, 'after')
  await bob.ok('PUT', `/profile/${encode(bob.userId)}/displayname`, { displayname: 'Robert' })
  const plain = await search(alice, { search_term: 'wanted' })
  expect([plain.results[0].context, plain.state, plain.groups, plain.next_batch]).toEqual([undefined, undefined, undefined, undefined])
  const found = await search(alice, {
    search_term: 'wanted',
    event_context: { before_limit: 1, after_limit: 1, include_profile: true },
    include_state: true,
  })
  const [{ result, context }] = found.results
  expect(result).toMatchObject({ event_id: said, room_id: roomId, type: 'm.room.message' })
  expect([context.events_before[0].content.body, context.events_after[0].content.body]).toEqual(['before', 'after'])
  expect(context.profile_info).toMatchObject({ [bob.userId]: { displayname: 'bob' }, [alice.userId]: { displayname: 'alice' } })
  expect(found.state[roomId].some(({ type }: Json) => type === 'm.room.create')).toBe(true)
  const page = await alice.ok('GET', `/rooms/${encode(roomId)}/messages?dir=b&limit=1&from=${context.start}`)
  expect(page.chunk[0].event_id).not.toBe(context.events_before[0].event_id)
})

test('a search looks where the filter says, into rooms that the user is or was in, and no further than they may see', async () => {
  await using here = await setting()
  const { alice, bob, roomId } = here
  const other = await alice.createRoom({})
  await alice.say(other, 'tea elsewhere')
  await alice.say(roomId, 'tea of alice')
  await bob.say(roomId, 'tea of bob')
  const find = async (user: TestUser, filter: object, keys = ['content.body']): Promise<string[]> =>
    bodies(await search(user, { search_term: 'tea', keys, filter })).toSorted()
  expect(await find(alice, {})).toEqual(['tea elsewhere', 'tea of alice', 'tea of bob'])
  expect(await find(alice, { rooms: [other] })).toEqual(['tea elsewhere'])
  expect(await find(alice, { not_rooms: [other] })).toEqual(['tea of alice', 'tea of bob'])
  expect(await find(alice, { senders: [bob.userId] })).toEqual(['tea of bob'])
  expect(await find(alice, { types: ['m.room.name'] })).toEqual([])
  expect(await search(alice, { search_term: 'tea', keys: ['content.name'] })).toMatchObject({ count: 1 })
  expect(await find(bob, {})).toEqual(['tea of alice', 'tea of bob'])
  await bob.ok('POST', `/rooms/${encode(roomId)}/leave`, {})
  await alice.say(roomId, 'tea without bob')
  expect(await find(bob, {})).toEqual(['tea of alice', 'tea of bob'])
})

test('tokens and criteria that make no sense are refused; no words find nothing; without an index there is no search', async () => {
  await using here = await setting()
  const { node, alice, roomId } = here
  await alice.say(roomId, 'tea')
  expect(await search(alice, { search_term: '!?' })).toMatchObject({ count: 0, results: [], highlights: [] })
  expect(await alice.ok('POST', '/search', { search_categories: {} })).toEqual({ search_categories: {} })
  const wrong = [
    {},
    { search_term: 5 },
    { search_term: 'x', keys: ['content.other'] },
    { search_term: 'x', order_by: 'age' },
    { search_term: 'x'.repeat(2000) },
    { search_term: 'x', event_context: { before_limit: -1 } },
    { search_term: 'x', groupings: { group_by: [{ key: 'type' }] } },
  ]
  for (const criteria of wrong)
    expect((await alice.call('POST', '/search', { search_categories: { room_events: criteria } })).status, JSON.stringify(criteria)).toBe(
      400,
    )
  const tokens = ['', 'x', btoa('{}'), btoa('[1]'), btoa('{"after":{"value":"1","eventId":"$x"},"counted":0}')]
  for (const token of tokens) {
    const body = { search_categories: { room_events: { search_term: 'tea' } } }
    expect((await alice.call('POST', `/search?next_batch=${encode(token)}`, body)).status, token).toBe(400)
  }
  // A made-up token shows no room that the user is not in.
  const strange = btoa(JSON.stringify({ after: { value: 9e99, eventId: '$z' }, counted: 5, group: { key: 'room_id', value: '!other:x' } }))
  expect((await search(alice, { search_term: 'tea', order_by: 'recent' }, strange.replaceAll('=', ''))).results).toEqual([])
  await node[Symbol.asyncDispose]()
  node.optionalPorts = { searchIndex: undefined } as never
  await node.start()
  const body = { search_categories: { room_events: { search_term: 'tea' } } }
  expect(await alice.call('POST', '/search', body)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
})
