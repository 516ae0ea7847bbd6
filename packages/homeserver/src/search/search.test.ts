import { redact } from '@kith/matrix-protocol'
import { MemorySearchIndex, SearchDisk } from '@kith/testkit/memory-search-index'
import { silentLog } from '@kith/testkit/silent-log'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IgnoredUsers } from '../accounts/ignored-users.ts'
import { conversation, play, visibleTo, words as alphabet } from '../conversation/conversations.test-support.ts'
import type { SearchPlace } from '../ports/index.ts'
import { joinRemotely, RoomServer, sentId } from '../rooms/room-servers.test-support.ts'
import { Visibility } from '../sync/visibility.ts'
import { EventSearch, type EventSearchInput } from './event-search.ts'
import { SearchIndexer } from './search-indexer.ts'
import { wordsOf } from './words.ts'

/** Search on one server, as it is after a start. */
function open({ rooms, timeline, clock }: RoomServer, disk: SearchDisk, ignored: readonly string[] = []) {
  const index = new MemorySearchIndex(disk)
  const indexer = new SearchIndexer({ index, timeline, rooms, clock, log: silentLog })
  const ignoredUsers = new IgnoredUsers({
    onChange: () => {},
    get: async () => ({ ignored_users: Object.fromEntries(ignored.map((id) => [id, {}])) }),
  })
  const search = new EventSearch({ index, indexer, rooms, visibility: new Visibility(rooms), ignoredUsers })
  return { index, indexer, search }
}

async function everyHit(search: EventSearch, input: Omit<EventSearchInput, 'after'>): Promise<string[]> {
  const found: string[] = []
  let after: SearchPlace | undefined
  do {
    const page = await search.search({ ...input, after })
    expect(page.count).toBeGreaterThanOrEqual(page.hits.length)
    found.push(...page.hits.map(({ event }) => event.eventId))
    after = page.next
  } while (after !== undefined)
  return found
}

const all = { fields: ['content.body', 'content.name', 'content.topic'], sender: undefined, accepts: () => true } as const

const cases = fc.record({
  conversation,
  /** What befalls the index after each step. */
  fates: fc.array(fc.constantFrom('behind', 'filled', 'fails', 'restart'), { minLength: 1, maxLength: 10 }),
  ignoring: fc.boolean(),
  order: fc.constantFrom('recent', 'rank'),
  limit: fc.integer({ min: 1, max: 4 }),
})

test(
  'a search finds exactly the messages with the words among what the user sees, however the index was interrupted',
  { timeout: 120_000 },
  async () => {
    let foundTotal = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ conversation: steps, fates, ignoring, order, limit }) => {
        const disks = new Map<string, SearchDisk>()
        const diskOf = ({ name }: RoomServer): SearchDisk => disks.getOrInsertComputed(name, () => new SearchDisk())
        let step = 0
        const { servers, users, roomId } = await play(steps, async (server) => {
          const fate = fates[step++ % fates.length]
          if (fate === 'behind') return
          if (fate === 'restart') return server.restart()
          const { index, indexer } = open(server, diskOf(server))
          if (fate === 'fails') index.faultPoint = () => fail()
          await indexer.catchUp().catch(() => undefined)
        })
        for (const [place, server] of servers.entries()) {
          const [userId, other] = place === 0 ? users : [users[1], users[0]]
          const ignored = ignoring ? [other] : []
          const { search } = open(server, diskOf(server), ignored)
          await search.catchUp()
          const visible = await visibleTo(server, roomId, userId, new Set(ignored))
          for (const words of [...alphabet.map((word) => [word]), alphabet.slice(0, 2), ['été', 'tea'], ['absent'], []]) {
            const normal = words.flatMap(wordsOf)
            const found = await everyHit(search, { ...all, userId, words: normal, roomIds: [roomId], order, limit })
            const naive = visible.filter(({ pdu }) => words.length > 0 && words.every((word) => said(pdu.content['body']).includes(word)))
            expect(found.toSorted()).toEqual(naive.map(({ eventId }) => eventId).toSorted())
            foundTotal += found.length
          }
        }
      }),
      { numRuns: 30 },
    )
    expect(foundTotal).toBeGreaterThan(100)
  },
)

function fail(): never {
  throw new Error('the disk is full')
}

/** Split by hand, to depend on nothing that is under test. */
function said(body: unknown): string[] {
  return typeof body === 'string' ? body.split(' ') : []
}

test('nothing that was committed is lost when the process ends before the index was filled, and nothing is indexed twice', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  const disk = new SearchDisk()
  await open(server, disk).indexer.catchUp()
  const first = await server.say(roomId, alice, 'Tea, please')
  await server.restart()
  const second = await server.say(roomId, alice, 'more tea')
  const { search, indexer, index } = open(server, disk)
  await Promise.all([indexer.catchUp(), indexer.catchUp(), search.catchUp()])
  const input = { ...all, userId: alice, words: wordsOf('TEA'), roomIds: [roomId], order: 'recent', limit: 10 } as const
  expect(await everyHit(search, input)).toEqual([second, first])
  expect(await index.position()).toBe(server.timeline.position)
})

test('what came by backfill is found; what is redacted is not, and leaves the index', async () => {
  const [first, second] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, bob] = [first.user('alice'), second.user('bob')]
  const roomId = await first.createRoom(alice)
  const early = await first.say(roomId, alice, 'early tea')
  await joinRemotely(second, bob, first, roomId)
  const disk = new SearchDisk()
  const { search, indexer } = open(second, disk)
  await search.catchUp()
  const input = { ...all, userId: bob, words: ['tea'], roomIds: [roomId], order: 'recent', limit: 10 } as const
  expect(await everyHit(search, input)).toEqual([])
  const history = await first.history(roomId)
  const signal = new AbortController().signal
  const outcome = await second.rooms.receiveMany(
    roomId,
    history.map(({ pdu }) => pdu),
    signal,
  )
  expect(outcome.get(early)?.kind).not.toBe('missing')
  await search.catchUp()
  expect(await everyHit(search, input)).toEqual([early])
  const redaction = sentId(await first.send(roomId, alice, { type: 'm.room.redaction', content: {}, redacts: early }))
  await second.rooms.receive(roomId, (await first.stored(redaction)).pdu, signal)
  // The index is behind, but nobody sees by it what was taken back.
  expect(disk.documents.has(early)).toBe(true)
  expect(await everyHit(search, input)).toEqual([])
  await indexer.catchUp()
  expect(disk.documents.has(early)).toBe(false)
})

test('a message that came without its content is found, and counts as a relation, when a whole copy comes', async () => {
  const [first, second] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, bob] = [first.user('alice'), second.user('bob')]
  const roomId = await first.createRoom(alice)
  await joinRemotely(second, bob, first, roomId)
  const root = await second.say(roomId, bob, 'root')
  const signal = new AbortController().signal
  await first.rooms.receive(roomId, (await second.stored(root)).pdu, signal)
  const relation = { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
  const said = sentId(await first.send(roomId, alice, { type: 'm.room.message', content: { body: 'tea', ...relation } }))
  const { pdu } = await first.stored(said)
  const version = first.rooms.version(roomId)
  if (version === undefined) throw new Error('the room is not there')
  const { search } = open(second, new SearchDisk())
  const input = { ...all, userId: bob, words: ['tea'], roomIds: [roomId], order: 'recent', limit: 10 } as const
  const query = { direction: 'b', from: undefined, limit: 10 } as const
  const seen = async (): Promise<unknown[]> => {
    await search.catchUp()
    return [
      await everyHit(search, input),
      (await second.rooms.relations.ofType(roomId, root, 'm.thread', query)).map(({ eventId }) => eventId),
    ]
  }
  await second.rooms.receive(roomId, redact(pdu, version), signal)
  expect(await seen()).toEqual([[], []])
  await second.rooms.receive(roomId, pdu, signal)
  expect(await seen()).toEqual([[said], [said]])
})

test('names and topics are found by their own fields; what is encrypted is not indexed; a count tells of nothing unseen', async () => {
  const server = await RoomServer.open(1)
  const [alice, bob] = [server.user('alice'), server.user('bob')]
  const events = [
    { type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'joined' } },
    { type: 'm.room.name', stateKey: '', content: { name: 'Tea house' } },
    { type: 'm.room.topic', stateKey: '', content: { topic: 'About tea' } },
  ]
  const roomId = await server.createRoom(alice, { events })
  await server.say(roomId, alice, 'tea')
  await server.send(roomId, alice, { type: 'm.room.encrypted', content: { body: 'tea', ciphertext: 'tea' } })
  const { search } = open(server, new SearchDisk())
  await search.catchUp()
  const find = async (userId: typeof alice, fields: EventSearchInput['fields']) =>
    search.search({ ...all, fields, userId, words: ['tea'], roomIds: [roomId], order: 'recent', after: undefined, limit: 10 })
  for (const field of all.fields) expect((await find(alice, [field])).hits, field).toHaveLength(1)
  await server.setMembership(roomId, bob, bob, 'join')
  const seen = await find(bob, all.fields)
  expect([seen.count, seen.hits.length, seen.next]).toEqual([0, 0, undefined])
})

test('an index that was filled from another storage is filled anew', async () => {
  const server = await RoomServer.open(1)
  const alice = server.user('alice')
  const roomId = await server.createRoom(alice)
  const said = await server.say(roomId, alice, 'tea')
  const disk = new SearchDisk()
  const stranger = { eventId: '$x', roomId, sender: alice, field: 'content.body', words: ['tea'], timestamp: 1 } as const
  await new MemorySearchIndex(disk).apply({ put: [stranger], remove: [], upTo: 1_000_000 })
  const { indexer } = open(server, disk)
  indexer.start()
  for (let turn = 0; turn < 200 && !disk.documents.has(said); turn++) await server.clock.advance(100)
  expect([...disk.documents.keys()]).toEqual([said])
  await indexer[Symbol.asyncDispose]()
})

test.each([
  ['Tea, please!', ['tea', 'please']],
  ['Crème BRÛLÉE', ['creme', 'brulee']],
  ['ﬁne ２', ['fine', '2']],
  ['猫が好き', ['猫', 'が', '好', 'き']],
  ['see 猫 now', ['see', '猫', 'now']],
  ['नमस्ते', ['नमस्ते']],
  ['한국어', ['한국어']],
  ['"NEAR" AND (a OR b)*', ['near', 'and', 'a', 'or', 'b']],
  ['🎉 !?', []],
  ['x'.repeat(100), ['x'.repeat(64)]],
])('the words of %s', (text, words) => {
  expect(wordsOf(text)).toEqual(words)
})
