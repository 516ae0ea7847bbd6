import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

const encode = encodeURIComponent

/** Sends an event that relates to another. */
async function relate(user: TestUser, roomId: string, relatesTo: object, content: object = {}, type = 'm.room.message'): Promise<string> {
  const body = { msgtype: 'm.text', body: 'text', ...content, 'm.relates_to': relatesTo }
  return (await user.ok('PUT', `/rooms/${encode(roomId)}/send/${type}/t${Math.random()}`, body)).event_id
}

async function relationsOf(user: TestUser, roomId: string, eventId: string): Promise<Json> {
  const event = await user.ok('GET', `/rooms/${encode(roomId)}/event/${encode(eventId)}`)
  return event.unsigned['m.relations']
}

async function edit(user: TestUser, roomId: string, eventId: string, body: string): Promise<string> {
  return relate(
    user,
    roomId,
    { rel_type: 'm.replace', event_id: eventId },
    { body: `* ${body}`, 'm.new_content': { msgtype: 'm.text', body } },
  )
}

async function redact(user: TestUser, roomId: string, eventId: string): Promise<void> {
  await user.ok('PUT', `/rooms/${encode(roomId)}/redact/${encode(eventId)}/t${Math.random()}`, {})
}

async function room(): Promise<{ node: TestNode; alice: TestUser; bob: TestUser; roomId: string } & AsyncDisposable> {
  const node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${encode(roomId)}`, {})
  return { node, alice, bob, roomId, [Symbol.asyncDispose]: async () => node[Symbol.asyncDispose]() }
}

test('the latest edit by the same sender goes with an event, until it is redacted', async () => {
  await using setting = await room()
  const { alice, bob, roomId } = setting
  const said = await alice.say(roomId, 'tea')
  const first = await edit(alice, roomId, said, 'milk')
  const second = await edit(alice, roomId, said, 'coffee')
  // Of somebody else, of another type, and without new content: none of these is an edit.
  await edit(bob, roomId, said, 'mine')
  await relate(alice, roomId, { rel_type: 'm.replace', event_id: said }, { 'm.new_content': { body: 'x' } }, 'org.example.other')
  await relate(alice, roomId, { rel_type: 'm.replace', event_id: said })
  // An edit of an edit edits nothing.
  await edit(alice, roomId, second, 'again')
  const edited = await relationsOf(bob, roomId, said)
  expect(edited['m.replace']).toMatchObject({ event_id: second, content: { 'm.new_content': { body: 'coffee' } }, room_id: roomId })
  expect(await relationsOf(bob, roomId, second)).toBeUndefined()
  await redact(alice, roomId, second)
  expect((await relationsOf(bob, roomId, said))['m.replace'].event_id).toBe(first)
  await redact(alice, roomId, first)
  expect(await relationsOf(bob, roomId, said)).toBeUndefined()
  await edit(alice, roomId, said, 'juice')
  await redact(alice, roomId, said)
  expect(await relationsOf(bob, roomId, said)).toBeUndefined()
})

test('a thread tells its latest event as it was edited, how many it has, and whether the user took part; others are ignored', async () => {
  await using setting = await room()
  const { node, alice, bob, roomId } = setting
  const root = await alice.say(roomId, 'root')
  const inThread = { rel_type: 'm.thread', event_id: root }
  const first = await relate(bob, roomId, inThread)
  const latest = await relate(bob, roomId, inThread, { body: 'latest' })
  await edit(bob, roomId, latest, 'newest')
  const carol = await node.register('carol')
  await carol.ok('POST', `/join/${encode(roomId)}`, {})
  const { 'm.thread': seen } = await relationsOf(carol, roomId, root)
  expect(seen).toMatchObject({ count: 2, current_user_participated: false, latest_event: { event_id: latest } })
  expect(seen.latest_event.unsigned['m.relations']['m.replace'].content['m.new_content'].body).toBe('newest')
  expect((await relationsOf(bob, roomId, root))['m.thread'].current_user_participated).toBe(true)
  expect((await relationsOf(alice, roomId, root))['m.thread'].current_user_participated).toBe(true)
  await redact(bob, roomId, latest)
  expect((await relationsOf(carol, roomId, root))['m.thread']).toMatchObject({ count: 1, latest_event: { event_id: first } })
  await carol.ok('PUT', `/user/${encode(carol.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } })
  expect(await relationsOf(carol, roomId, root)).toBeUndefined()
})

test('every endpoint that shows events shows their aggregations', async () => {
  await using setting = await room()
  const { alice, roomId } = setting
  const root = await alice.say(roomId, 'find the root')
  await relate(alice, roomId, { rel_type: 'm.reference', event_id: root }, { body: 'refers' })
  const reply = await relate(alice, roomId, { rel_type: 'm.thread', event_id: root }, { body: 'reply' })
  await relate(alice, roomId, { rel_type: 'm.reference', event_id: reply }, { body: 'refers' })
  const at = `/rooms/${encode(roomId)}`
  const search = { search_categories: { room_events: { search_term: 'find', event_context: { after_limit: 2 } } } }
  const { results } = (await alice.ok('POST', '/search', search)).search_categories.room_events
  const { chunk: related } = await alice.ok('GET', `/_matrix/client/v1${at}/relations/${encode(root)}/m.thread`)
  const timeline = (await alice.sync()).rooms.join[roomId].timeline.events
  const answers: readonly (readonly [string, Json[], string])[] = [
    ['event', [await alice.ok('GET', `${at}/event/${encode(root)}`)], root],
    ['messages', (await alice.ok('GET', `${at}/messages?dir=b`)).chunk, root],
    ['context', (await alice.ok('GET', `${at}/context/${encode(reply)}`)).events_before, root],
    ['context of', [(await alice.ok('GET', `${at}/context/${encode(root)}`)).event], root],
    ['threads', (await alice.ok('GET', `/_matrix/client/v1${at}/threads`)).chunk, root],
    ['relations', related, reply],
    ['search', [results[0].result], root],
    ['search context', results[0].context.events_after, reply],
    ['sync', timeline, root],
  ]
  for (const [name, events, wanted] of answers) {
    const event = events.find(({ event_id }) => event_id === wanted)
    expect(event?.unsigned['m.relations']?.['m.reference']?.chunk, name).toHaveLength(1)
  }
})

test('nobody reacts twice with the same, not even at once; another key, another event, and after a redaction is no repetition', async () => {
  await using setting = await room()
  const { alice, bob, roomId } = setting
  const said = await alice.say(roomId, 'tea')
  const react = async (user: TestUser, key: string, eventId = said) =>
    user.call('PUT', `/rooms/${encode(roomId)}/send/m.reaction/t${Math.random()}`, {
      'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key },
    })
  const replies = await Promise.all(Array.from({ length: 5 }, async () => react(alice, '+1')))
  const [done, ...more] = replies.filter(({ status }) => status === 200)
  expect(more).toEqual([])
  const refused = replies.filter(({ status }) => status !== 200).map(({ status, body }) => [status, body.errcode])
  expect(refused).toEqual(Array.from({ length: 4 }, () => [400, 'M_DUPLICATE_ANNOTATION']))
  expect((await react(alice, '-1')).status).toBe(200)
  expect((await react(bob, '+1')).status).toBe(200)
  await redact(alice, roomId, done?.body.event_id)
  expect((await react(alice, '+1')).status).toBe(200)
  expect(await relationsOf(alice, roomId, said)).toBeUndefined()
})

test('threads come by their latest reply, in pages, of all or of those that the user wrote in; an ignored root is empty', async () => {
  await using setting = await room()
  const { alice, bob, roomId } = setting
  const roots: string[] = []
  for (let index = 0; index < 5; index++) roots.push(await (index === 4 ? bob : alice).say(roomId, `root ${index}`))
  for (const root of roots) await relate(bob, roomId, { rel_type: 'm.thread', event_id: root })
  await relate(alice, roomId, { rel_type: 'm.thread', event_id: roots[1] })
  const carol = await setting.node.register('carol')
  await carol.ok('POST', `/join/${encode(roomId)}`, {})
  await relate(carol, roomId, { rel_type: 'm.thread', event_id: roots[3] })
  const expected = [3, 1, 4, 2, 0].map((index) => roots[index])
  const found: string[] = []
  let from: string | undefined
  do {
    const query = new URLSearchParams({ limit: '2', ...(from === undefined ? {} : { from }) })
    const page = await carol.ok('GET', `/_matrix/client/v1/rooms/${encode(roomId)}/threads?${query}`)
    found.push(...page.chunk.map(({ event_id }: Json) => event_id))
    from = page.next_batch
  } while (from !== undefined)
  expect(found).toEqual(expected)
  const threads = async (query: string): Promise<Json> => carol.call('GET', `/_matrix/client/v1/rooms/${encode(roomId)}/threads?${query}`)
  expect((await threads('include=participated')).body.chunk.map(({ event_id }: Json) => event_id)).toEqual([roots[3]])
  expect((await threads('include=some')).status).toBe(400)
  expect((await threads('from=nonsense')).body.errcode).toBe('M_INVALID_PARAM')
  await carol.ok('PUT', `/user/${encode(carol.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
  const { chunk } = (await threads('')).body
  expect(chunk.map(({ event_id, content }: Json) => [event_id, content.body])).toEqual([
    [roots[3], undefined],
    [roots[4], 'root 4'],
    [roots[2], undefined],
    [roots[1], undefined],
    [roots[0], undefined],
  ])
})

test('relations come in pages in either direction, of one type or all, and those of relations where that is asked', async () => {
  await using setting = await room()
  const { alice, bob, roomId } = setting
  const said = await alice.say(roomId, 'tea')
  const sent: string[] = []
  for (let index = 0; index < 5; index++) {
    const relType = index % 2 === 0 ? 'm.reference' : 'org.example.other'
    sent.push(await relate(index === 4 ? bob : alice, roomId, { rel_type: relType, event_id: said }, { body: `${index}` }))
  }
  const second = await relate(alice, roomId, { rel_type: 'm.reference', event_id: sent[1] })
  const third = await relate(alice, roomId, { rel_type: 'm.annotation', key: 'x', event_id: second }, {}, 'm.reaction')
  const all = async (path: string, query: Record<string, string>): Promise<string[]> => {
    const found: string[] = []
    let from: string | undefined
    do {
      const parameters = new URLSearchParams({ limit: '2', ...query, ...(from === undefined ? {} : { from }) })
      const page = await bob.ok('GET', `/_matrix/client/v1/rooms/${encode(roomId)}/relations/${encode(said)}${path}?${parameters}`)
      expect('recursion_depth' in page).toBe(query['recurse'] === 'true')
      found.push(...page.chunk.map(({ event_id }: Json) => event_id))
      from = page.next_batch
    } while (from !== undefined)
    return found
  }
  expect(await all('', {})).toEqual(sent.toReversed())
  expect(await all('', { dir: 'f' })).toEqual(sent)
  expect(await all('/m.reference', {})).toEqual([sent[4], sent[2], sent[0]])
  expect(await all('/m.reference/m.room.message', { dir: 'f' })).toEqual([sent[0], sent[2], sent[4]])
  expect(await all('/m.reference/m.other', {})).toEqual([])
  expect(await all('', { recurse: 'true' })).toEqual([third, second, ...sent.toReversed()])
  expect(await all('/m.reference', { recurse: 'true', dir: 'f' })).toEqual([sent[0], sent[2], sent[4], second])
  const pageTo = async (query: string): Promise<Json> =>
    bob.ok('GET', `/_matrix/client/v1/rooms/${encode(roomId)}/relations/${encode(said)}?${query}`)
  const { next_batch: middle } = await pageTo('limit=2')
  expect((await pageTo(`to=${middle}`)).chunk.map(({ event_id }: Json) => event_id)).toEqual([sent[4], sent[3]])
  expect((await pageTo(`dir=f&to=${middle}`)).chunk.map(({ event_id }: Json) => event_id)).toEqual([sent[0], sent[1], sent[2]])
  // Backwards, what is asked for begins behind where it should end.
  expect((await pageTo(`from=${middle}&to=${(await pageTo('limit=1')).next_batch}`)).chunk).toEqual([])
  await redact(alice, roomId, sent[2] ?? '')
  expect(await all('/m.reference', {})).toEqual([sent[4], sent[0]])
  await bob.ok('PUT', `/user/${encode(bob.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
  expect(await all('', {})).toEqual([sent[4]])
})
