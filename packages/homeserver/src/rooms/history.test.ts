import type { EventId, RoomId } from '@kith/matrix-protocol'
import { beforeEach, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { WriteBatch } from '../ports/index.ts'
import { isHistoryToken } from './history-token.ts'
import { catchUp, joinRemotely, RoomServer, signal } from './room-servers.test-support.ts'
import { roomsTables } from './tables.ts'

let a: RoomServer
let b: RoomServer
let roomId: RoomId

beforeEach(async () => {
  a = await RoomServer.open(1)
  b = await RoomServer.open(2)
  roomId = await a.createRoom(a.user('alice'))
})

async function pageBack(server: RoomServer, from: string | undefined, limit: number): Promise<EventId[]> {
  const ids: EventId[] = []
  for (let token = from; ;) {
    const page = await server.rooms.page(roomId, { from: token, direction: 'b', limit })
    ids.push(...page.events.map((event) => event.eventId))
    if (page.end === undefined) return ids
    token = page.end
  }
}

test('pages of any size show each event once, in both directions', async () => {
  for (let index = 0; index < 20; index++) await a.say(roomId, a.user('alice'), `${index}`)
  const oldestFirst = (await a.history(roomId)).map((event) => event.eventId)
  expect(oldestFirst).toHaveLength(24)
  for (const limit of [1, 3, 8, 24, 100]) {
    expect(await pageBack(a, undefined, limit)).toEqual(oldestFirst.toReversed())
    const forwards: EventId[] = []
    let from: string | undefined
    do {
      const page = await a.rooms.page(roomId, { from, direction: 'f', limit })
      forwards.push(...page.events.map((event) => event.eventId))
      from = page.end
    } while (from !== undefined)
    expect(forwards).toEqual(oldestFirst)
  }
})

test('a token may be used in the other direction', async () => {
  for (let index = 0; index < 5; index++) await a.say(roomId, a.user('alice'), `${index}`)
  const back = await a.rooms.page(roomId, { from: undefined, direction: 'b', limit: 3 })
  const forth = await a.rooms.page(roomId, { from: back.end, direction: 'f', limit: 10 })
  expect(forth.events.map((event) => event.eventId)).toEqual(back.events.map((event) => event.eventId).toReversed())
})

test('a page may be short because much arrived since its token, and goes on where it stopped looking', async () => {
  for (let index = 0; index < 3; index++) await a.say(roomId, a.user('alice'), `${index}`)
  const before = (await a.history(roomId)).map((event) => event.eventId)
  const { prevBatch } = await a.rooms.timelineSince(roomId, a.timeline.position - 1, 1)
  // More late events than one page looks at, amid the old ones.
  const batch = new WriteBatch()
  const position = a.timeline.position + 1
  for (let place = 0; place < 2 * limits.implementation.historyScanMax; place++) {
    batch.put(roomsTables.history, [roomId, 5, place, before[0]!], { eventId: before[0]!, position })
  }
  await a.storage.commit(batch.writes)
  expect(await pageBack(a, prevBatch, 10)).toEqual(before.slice(0, -1).toReversed())
})

test('tokens are checked', async () => {
  for (const token of ['', 'h', 's12', 'h1', 'h1_', 'h1_2_', 'h-1_2', 'h1_2_3_4', 'h99999999999999999_1', 'h9999999999999999_1']) {
    expect(isHistoryToken(token)).toBe(false)
    await expect(a.rooms.page(roomId, { from: token, direction: 'b', limit: 1 })).rejects.toThrow(RangeError)
  }
  expect(isHistoryToken('h1_2')).toBe(true)
})

test('a slice of the timeline and the pages before it show each event once, also when some arrived late', async () => {
  await joinRemotely(b, b.user('bob'), a, roomId)
  const lateIds = [await b.say(roomId, b.user('bob'), 'late 1'), await b.say(roomId, b.user('bob'), 'late 2')]
  for (let index = 0; index < 6; index++) await a.say(roomId, a.user('alice'), `${index}`)
  await catchUp(a, b, roomId)
  for (let index = 6; index < 9; index++) await a.say(roomId, a.user('alice'), `${index}`)
  const all = (await a.history(roomId)).map((event) => event.eventId)
  for (let limit = 1; limit <= all.length; limit++) {
    const slice = await a.rooms.timelineSince(roomId, 0, limit)
    expect(slice.limited).toBe(limit < all.length)
    const shown = [...slice.events.map((event) => event.eventId), ...(await pageBack(a, slice.prevBatch, 4))]
    expect(shown).toHaveLength(all.length)
    expect(new Set(shown)).toEqual(new Set(all))
  }
  // In history the late events stand where their depth puts them, not at the end.
  expect(all.indexOf(lateIds[1]!)).toBeLessThan(all.length - 4)
})

test('a slice ends at the asked position', async () => {
  await a.say(roomId, a.user('alice'), '1')
  const { position } = a.timeline
  const second = await a.say(roomId, a.user('alice'), '2')
  const { position: until } = a.timeline
  await a.say(roomId, a.user('alice'), '3')
  const slice = await a.rooms.timelineSince(roomId, position, 10, until)
  expect(slice.events.map((event) => event.eventId)).toEqual([second])
  expect(slice.limited).toBe(false)
  const empty = await a.rooms.timelineSince(roomId, until, 10, until)
  expect(empty.events).toEqual([])
  expect((await pageBack(a, empty.prevBatch, 50)).at(0)).toBe(second)
})

test('backfilled events take their place before what was there, wake nobody, and close the gap', async () => {
  for (let index = 0; index < 6; index++) await a.say(roomId, a.user('alice'), `before ${index}`)
  const old = await a.history(roomId)
  await joinRemotely(b, b.user('bob'), a, roomId)
  const said = await b.say(roomId, b.user('bob'), 'here')
  const first = await b.rooms.page(roomId, { from: undefined, direction: 'b', limit: 10 })
  expect(first.events).toHaveLength(2)
  expect(first.gapAt).toEqual([old.at(-1)?.eventId])
  const slice = await b.rooms.timelineSince(roomId, 0, 10)
  const { position } = b.timeline

  const recent = old.slice(5).map((event) => event.pdu)
  const outcomes = await b.rooms.appendHistory(roomId, recent.toReversed(), [], signal)
  expect([...outcomes.values()].every((outcome) => outcome.kind === 'accepted')).toBe(true)
  const second = await b.rooms.page(roomId, { from: first.end, direction: 'b', limit: 10 })
  expect(second.events.map((event) => event.eventId)).toEqual(
    old
      .slice(5)
      .map((event) => event.eventId)
      .toReversed(),
  )
  expect(second.gapAt).toEqual([old[4]?.eventId])

  await b.rooms.appendHistory(
    roomId,
    old.map((event) => event.pdu),
    [],
    signal,
  )
  const expected = [said, first.events[1]?.eventId, ...old.map((event) => event.eventId).toReversed()]
  expect(await pageBack(b, undefined, 3)).toEqual(expected)
  expect(await pageBack(b, slice.prevBatch, 3)).toEqual(expected.slice(2))
  const rows = await b.timeline.since(position, 10)
  expect(rows.filter(({ value }) => value.kind !== 'room-history')).toEqual([])
  await b.say(roomId, b.user('bob'), 'positions were not used twice')
  expect(await b.history(roomId)).toHaveLength(expected.length + 1)
})

test('backfilled events are judged by what they cite', async () => {
  const old = await a.history(roomId)
  const message = await a.stored(await a.say(roomId, a.user('alice'), 'x'))
  await joinRemotely(b, b.user('bob'), a, roomId)
  const { pdu } = message
  const append = async (event: typeof pdu) => [...(await b.rooms.appendHistory(roomId, [event], [], signal)).values()]
  expect(await append({ ...pdu, signatures: {} })).toMatchObject([{ kind: 'rejected' }])
  const version = a.rooms.version(roomId)!
  const unknown = await a.sign(
    { ...withoutHash(pdu), auth_events: ['$unknown_______________________________________' as EventId] },
    version,
  )
  expect(await append(unknown)).toMatchObject([{ kind: 'missing' }])
  const forbidden = await a.sign({ ...withoutHash(pdu), auth_events: [] }, version)
  expect(await append(forbidden)).toMatchObject([{ kind: 'rejected' }])
  expect(await append(pdu)).toEqual([{ kind: 'accepted' }])
  expect(await append(pdu)).toEqual([{ kind: 'duplicate' }])
  expect(old).toHaveLength(4)
})

function withoutHash<T extends { hashes?: unknown; signatures?: unknown }>(pdu: T): Omit<T, 'hashes' | 'signatures'> {
  const { hashes: _hashes, signatures: _signatures, ...rest } = pdu
  return rest
}

test('missing events are walked back to what is known, oldest first', async () => {
  const ids: EventId[] = []
  for (let index = 0; index < 6; index++) ids.push(await a.say(roomId, a.user('alice'), `${index}`))
  const walk = async (limit: number, minDepth = 0) =>
    (await a.rooms.missingEvents(roomId, { earliest: [ids[1]!], latest: [ids[5]!], limit, minDepth })).map((event) => event.eventId)
  expect(await walk(10)).toEqual(ids.slice(2, 5))
  expect(await walk(2)).toEqual(ids.slice(3, 5))
  expect(await walk(10, 9)).toEqual(ids.slice(4, 5))
  expect(await a.rooms.missingEvents('!other' as RoomId, { earliest: [], latest: [ids[5]!], limit: 10, minDepth: 0 })).toEqual([])
})
