import { type EventId, eventIdOf, type Pdu, prevEventIdsOf, type RoomId, roomVersion, type UnhashedPdu } from '@kith/matrix-protocol'
import { beforeEach, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { catchUp, joinPartially, joinRemotely, RoomServer, sentId, signal, stateBeforeFrom } from './room-servers.test-support.ts'

const version = roomVersion('12')!

let a: RoomServer
let b: RoomServer
let roomId: RoomId

beforeEach(async () => {
  a = await RoomServer.open(1)
  b = await RoomServer.open(2)
  roomId = await a.createRoom(a.user('alice'))
})

const alice = () => a.user('alice')
const bob = () => b.user('bob')
const pduOf = async (server: RoomServer, eventId: EventId): Promise<Pdu> => (await server.stored(eventId)).pdu
const topic = (text: string) => ({ type: 'm.room.topic', stateKey: '', content: { topic: text } })

async function idsOf(server: RoomServer): Promise<EventId[]> {
  return (await server.history(roomId)).map(({ eventId }) => eventId)
}

/** What bob's server tells clients of: where the history grew is told to nobody. */
async function newsSince(position: number) {
  return (await b.timeline.since(position, 20)).filter(({ value }) => value.kind !== 'room-history')
}

/** A message of alice's server that follows these events. */
async function follow(prevEvents: readonly EventId[], change: Partial<UnhashedPdu> = {}): Promise<Pdu> {
  const template = await a.rooms.makeTemplate({ roomId, sender: alice(), type: 'm.room.message', content: {} }, signal)
  if (template.kind !== 'template') throw new Error(template.kind)
  return a.sign({ ...(template.event as unknown as UnhashedPdu), prev_events: prevEvents, ...change }, version)
}

/** Bob's server knows the room up to here, and misses what follows, but for the last event, which comes with its state. */
async function leaveGap(count: number): Promise<{ missed: EventId[]; last: EventId }> {
  await joinRemotely(b, bob(), a, roomId)
  const missed: EventId[] = []
  for (let index = 0; index < count; index++) missed.push(sentId(await a.send(roomId, alice(), topic(`${index}`))))
  const last = await a.say(roomId, alice(), 'after the gap')
  const outcome = await b.rooms.receiveWithState(roomId, await pduOf(a, last), await stateBeforeFrom(a, last), signal)
  expect(outcome).toMatchObject({ kind: 'accepted' })
  return { missed, last }
}

test('a gap in the timeline makes the client ask for what lies before', async () => {
  const { last } = await leaveGap(3)
  const slice = await b.rooms.timelineSince(roomId, 0, 100)
  expect(slice.events.map(({ eventId }) => eventId)).toEqual([last])
  expect(slice.limited).toBe(true)
  await b.say(roomId, bob(), 'no gap here')
  expect((await b.rooms.timelineSince(roomId, (await b.stored(last)).position!, 100)).limited).toBe(false)
})

test.each(['together', 'one by one, oldest first', 'one by one, newest first'])(
  'what comes late from behind a gap takes its place, is not new, and leaves one head (%s)',
  async (order) => {
    const { missed, last } = await leaveGap(3)
    const { position } = b.timeline
    const pdus = await Promise.all(missed.map(async (eventId) => pduOf(a, eventId)))
    if (order === 'together') await b.rooms.receiveMany(roomId, pdus, signal)
    else if (order === 'one by one, oldest first') for (const pdu of pdus) await b.rooms.receive(roomId, pdu, signal)
    else
      for (let round = 0; round < pdus.length; round++) {
        for (const pdu of pdus.toReversed()) await b.rooms.receive(roomId, pdu, signal)
      }
    expect(b.rooms.extremities(roomId)).toEqual([last])
    expect(b.stateText(roomId)).toBe(a.stateText(roomId))
    expect(await idsOf(b)).toEqual((await idsOf(a)).slice(-(await idsOf(b)).length))
    expect(await b.rooms.page(roomId, { from: undefined, direction: 'b', limit: 4 })).not.toHaveProperty('gapAt')
    // Only what came before anything showed that it is old could be taken for new.
    expect(await newsSince(position)).toHaveLength(order === 'one by one, oldest first' ? 2 : 0)
    await b.restart()
    expect(b.rooms.extremities(roomId)).toEqual([last])
    for (const eventId of missed) expect((await b.stored(eventId)).stateAfter).toBe((await a.stored(eventId)).stateAfter)
  },
)

test('an event behind a gap cannot displace the heads that it claims to follow', async () => {
  const { last } = await leaveGap(1)
  const forged = await follow([last])
  expect(await b.rooms.appendHistory(roomId, [forged], [], signal)).toEqual(new Map([[eventIdOf(forged, version), { kind: 'accepted' }]]))
  expect(b.rooms.extremities(roomId)).toContain(last)
})

test('backfilled messages know the state around them, and live events may follow them', async () => {
  for (let index = 0; index < 4; index++) await a.say(roomId, alice(), `old ${index}`)
  const old = await a.history(roomId)
  await joinRemotely(b, bob(), a, roomId)
  await b.rooms.appendHistory(
    roomId,
    old.slice(-3).map(({ pdu }) => pdu),
    [],
    signal,
  )
  for (const { eventId } of old.slice(-3)) expect((await b.stored(eventId)).stateAfter).toBe((await a.stored(eventId)).stateAfter)
  const branch = await follow([old.at(-2)!.eventId])
  expect(await b.rooms.receive(roomId, branch, signal)).toMatchObject({ kind: 'accepted' })
  await a.rooms.receive(roomId, branch, signal)
  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
})

test('the states of backfilled events are put together once their history reaches back to a known one', async () => {
  await joinRemotely(b, bob(), a, roomId)
  const ids: EventId[] = []
  for (let index = 0; index < 3; index++) ids.push(sentId(await a.send(roomId, alice(), topic(`${index}`))))
  // Unconnected: nothing at b follows them.
  const [first, second, third] = await Promise.all(ids.map(async (eventId) => pduOf(a, eventId)))
  await b.rooms.appendHistory(roomId, [third!], [], signal)
  await b.rooms.appendHistory(roomId, [second!], [], signal)
  const live = await follow([ids[2]!])
  expect(await b.rooms.receive(roomId, live, signal)).toMatchObject({ kind: 'missing' })
  await b.rooms.appendHistory(roomId, [first!], [], signal)
  expect(await b.rooms.receive(roomId, live, signal)).toMatchObject({ kind: 'accepted' })
  await a.rooms.receive(roomId, live, signal)
  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
  for (const eventId of ids) expect((await b.stored(eventId)).stateAfter).toBe((await a.stored(eventId)).stateAfter)
})

test('a backfilled event gets its state from another server where it cannot be had otherwise, and is not new by that', async () => {
  const changed = sentId(await a.send(roomId, alice(), topic('x')))
  await a.say(roomId, alice(), 'y')
  await joinRemotely(b, bob(), a, roomId)
  await b.rooms.appendHistory(roomId, [await pduOf(a, changed)], [], signal)
  expect((await b.stored(changed)).stateBefore).toBeUndefined()
  const { position } = b.timeline
  const outcome = await b.rooms.receiveWithState(roomId, await pduOf(a, changed), await stateBeforeFrom(a, changed), signal)
  expect(outcome).toEqual({ kind: 'duplicate', eventId: changed })
  expect((await b.stored(changed)).stateAfter).toBe((await a.stored(changed)).stateAfter)
  expect(await newsSince(position)).toEqual([])
})

test('a backfilled message that the state at its place does not allow is rejected', async () => {
  await joinRemotely(b, bob(), a, roomId)
  const levels = a.rooms.state(roomId)!.get('m.room.power_levels', '')!.eventId
  const past = a.rooms.state(roomId)!.get('m.room.member', bob())!.eventId
  const ban = await a.setMembership(roomId, alice(), bob(), 'ban')
  const forged = await b.sign(
    {
      type: 'm.room.message',
      sender: bob(),
      room_id: roomId,
      content: { body: 'still here' },
      origin_server_ts: 1,
      depth: (await pduOf(a, ban)).depth + 1,
      prev_events: [ban],
      auth_events: [levels, past],
    },
    version,
  )
  const forgedId = eventIdOf(forged, version)
  expect(await a.rooms.receive(roomId, forged, signal)).toMatchObject({ kind: 'rejected' })
  const successor = await follow([forgedId])
  const successorId = eventIdOf(successor, version)
  expect(await a.rooms.receive(roomId, successor, signal)).toMatchObject({ kind: 'accepted' })
  const c = await RoomServer.open(3)
  await joinRemotely(c, c.user('carol'), a, roomId)
  const before = await stateBeforeFrom(a, successorId)
  expect(await c.rooms.receiveWithState(roomId, successor, before, signal)).toMatchObject({ kind: 'accepted' })
  const authEvents = await Promise.all([levels, past].map(async (eventId) => pduOf(a, eventId)))
  const outcomes = await c.rooms.appendHistory(roomId, [forged], authEvents, signal)
  expect(outcomes.get(forgedId)).toMatchObject({ kind: 'rejected' })
  expect(await idsOf(c)).not.toContain(forgedId)
  expect((await c.stored(forgedId)).stateAfter).toBe((await a.stored(forgedId)).stateAfter)
})

test('a server that was thrown out without hearing of it gets the state of its new join', async () => {
  await joinRemotely(b, bob(), a, roomId)
  const stale = await b.say(roomId, bob(), 'unsent')
  await a.setMembership(roomId, alice(), bob(), 'leave')
  sentId(await a.send(roomId, alice(), topic('while bob was out')))
  const joined = await joinRemotely(b, bob(), a, roomId)
  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
  expect(b.rooms.extremities(roomId)).toEqual([joined])
  expect(await idsOf(b)).toContain(stale)
  const missed = (await a.history(roomId)).filter(({ pdu }) => pdu.depth > 5 && pdu.depth < 9)
  await b.rooms.appendHistory(
    roomId,
    missed.map(({ pdu }) => pdu),
    [],
    signal,
  )
  expect(b.rooms.extremities(roomId)).toEqual([joined])
  const next = await b.say(roomId, bob(), 'back')
  expect(prevEventIdsOf(await pduOf(b, next))).toEqual([joined])
})

test('an outlier becomes a whole event when it comes, and stays redacted', async () => {
  const changed = sentId(await a.send(roomId, alice(), topic('unwanted')))
  const redaction = sentId(await a.send(roomId, alice(), { type: 'm.room.redaction', content: {}, redacts: changed }))
  await joinRemotely(b, bob(), a, roomId)
  expect(await b.stored(changed)).toMatchObject({ status: 'outlier' })
  await b.rooms.appendHistory(roomId, [await pduOf(a, redaction)], [], signal)
  expect((await b.stored(changed)).pdu.content).toEqual({})
  await b.rooms.appendHistory(roomId, [await pduOf(a, changed)], [], signal)
  expect(await b.stored(changed)).toMatchObject({ status: 'accepted', redactedBy: redaction, pdu: { content: {} } })
  expect(b.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({})
})

test('what a failed event follows is no head once a good one follows the failed one', async () => {
  await joinRemotely(b, bob(), a, roomId)
  const [head] = a.rooms.extremities(roomId)
  const bad = await follow([head!], { type: 'm.room.name', state_key: '', sender: bob(), content: { name: 'mine' } })
  const forged = await b.sign(
    { ...bad, auth_events: (await pduOf(a, head!)).auth_events.concat(head!) as EventId[], hashes: undefined } as never,
    version,
  )
  const rejected = await a.rooms.receive(roomId, forged, signal)
  expect(rejected).toMatchObject({ kind: 'rejected' })
  expect(a.rooms.extremities(roomId)).toEqual([head])
  const good = await follow([eventIdOf(forged, version)])
  expect(await a.rooms.receive(roomId, good, signal)).toMatchObject({ kind: 'accepted' })
  expect(a.rooms.extremities(roomId)).toEqual([eventIdOf(good, version)])
})

test('heads stay few, nobody pushes out those of others, and one event ends as many as it may', async () => {
  await joinRemotely(b, bob(), a, roomId)
  const start = a.rooms.extremities(roomId)
  const honest = sentId(await b.send(roomId, bob(), { type: 'm.room.message', content: { body: 'honest' } }))
  await a.rooms.receive(roomId, await pduOf(b, honest), signal)
  for (let index = 0; index < limits.implementation.roomExtremitiesMax + 5; index++) {
    const fork = await follow(start, { content: { body: `${index}` }, depth: 100 + index })
    expect(await a.rooms.receive(roomId, fork, signal)).toMatchObject({ kind: 'accepted' })
  }
  expect(a.rooms.extremities(roomId)).toHaveLength(limits.implementation.roomExtremitiesMax)
  expect(a.rooms.extremities(roomId)).toContain(honest)
  const merged = await a.say(roomId, alice(), 'merged')
  expect(prevEventIdsOf(await pduOf(a, merged))).toHaveLength(20)
  expect(a.rooms.extremities(roomId)).toHaveLength(limits.implementation.roomExtremitiesMax - 19)
})

test('the event nearest to a time is found on either side, and backfilled ones count', async () => {
  const ids: EventId[] = []
  for (let index = 0; index < 3; index++) ids.push(await a.say(roomId, alice(), `${index}`))
  const [first, middle, last] = await Promise.all(ids.map(async (eventId) => pduOf(a, eventId)))
  const near = async (server: RoomServer, timestamp: number, direction: 'f' | 'b') =>
    (await server.rooms.eventsNear(roomId, timestamp, direction))?.eventId
  expect(await near(a, middle!.origin_server_ts, 'f')).toBe(ids[1])
  expect(await near(a, middle!.origin_server_ts, 'b')).toBe(ids[1])
  expect(await near(a, middle!.origin_server_ts + 1, 'f')).toBe(ids[2])
  expect(await near(a, middle!.origin_server_ts - 1, 'b')).toBe(ids[0])
  expect(await near(a, last!.origin_server_ts + 1, 'f')).toBeUndefined()
  expect(await near(a, 0, 'b')).toBeUndefined()
  expect(await near(a, Number.MAX_SAFE_INTEGER, 'b')).toBe(ids[2])
  expect(await a.rooms.eventsNear('!none' as RoomId, 0, 'f')).toBeUndefined()
  await joinRemotely(b, bob(), a, roomId)
  await b.rooms.appendHistory(roomId, [first!], [], signal)
  expect(await near(b, 0, 'f')).toBe(ids[0])
  await catchUp(b, a, roomId)
})

test('what happened while a server was out of the room is old, also where it comes before what shows that', async () => {
  const carol = a.user('carol')
  await a.setMembership(roomId, carol, carol, 'join')
  await joinRemotely(b, bob(), a, roomId)
  await a.rooms.receive(roomId, await pduOf(b, await b.setMembership(roomId, bob(), bob(), 'leave')), signal)
  const said = await a.say(roomId, carol, 'while bob was out')
  const { auth_events } = await pduOf(a, said)
  const beside = await follow([said], { sender: carol, auth_events, depth: (await pduOf(a, said)).depth + 1 })
  const kicked = await a.setMembership(roomId, alice(), carol, 'leave')
  const last = await a.say(roomId, alice(), 'just before bob came back')
  await joinRemotely(b, bob(), a, roomId)
  expect(await b.rooms.receive(roomId, await pduOf(a, said), signal)).toMatchObject({ kind: 'soft-failed' })
  expect(await b.rooms.receive(roomId, beside, signal)).toMatchObject({ kind: 'soft-failed' })
  await b.restart()
  const { position } = b.timeline
  await b.rooms.receive(roomId, await pduOf(a, last), signal)
  expect((await b.stored(said)).status).toBe('soft-failed')
  await b.rooms.receiveMany(roomId, [await pduOf(a, kicked), await pduOf(a, last)], signal)
  expect(await b.stored(said)).toMatchObject({ status: 'accepted', stateAfter: (await a.stored(said)).stateAfter })
  expect(await b.stored(said)).not.toHaveProperty('rejectedBecause')
  expect(await idsOf(b)).toEqual((await idsOf(a)).slice(-(await idsOf(b)).length))
  expect(await idsOf(b)).toContain(said)
  // It is in the history and nobody's news, and what nothing of the room follows stays where it was.
  expect(await newsSince(position)).toEqual([])
  expect((await b.stored(eventIdOf(beside, version))).status).toBe('soft-failed')
})

test('what happened beside a join needs nothing of what was before it', async () => {
  for (const text of ['old', 'older']) await a.send(roomId, alice(), topic(text))
  const [root] = a.rooms.extremities(roomId)
  await joinRemotely(b, bob(), a, roomId)
  const beside = await follow([root!], { type: 'm.room.name', state_key: '', content: { name: 'beside' } })
  for (const server of [a, b]) expect(await server.rooms.receive(roomId, beside, signal)).toMatchObject({ kind: 'accepted' })
  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
  expect((await b.stored(eventIdOf(beside, version))).stateBefore).toBe((await a.stored(root!)).stateAfter)
  expect(b.rooms.extremities(roomId).toSorted()).toEqual(a.rooms.extremities(roomId).toSorted())
})

test('what another server told of the state before its event counts for nothing else that follows the same', async () => {
  const { missed } = await leaveGap(2)
  const beside = await follow(missed.slice(-1), { content: { body: 'beside' } })
  expect(await b.rooms.receive(roomId, beside, signal)).toMatchObject({ kind: 'missing', eventIds: missed.slice(-1) })
})

test('but where the join lacks members, or follows more than one event, what happened beside it needs its predecessors', async () => {
  const [root] = a.rooms.extremities(roomId)
  const beside = await follow([root!])
  const other = await follow([root!], { content: { body: 'other' } })
  for (const pdu of [beside, other]) await a.rooms.receive(roomId, pdu, signal)
  await joinRemotely(b, bob(), a, roomId)
  expect(await b.rooms.receive(roomId, await follow([eventIdOf(beside, version)]), signal)).toMatchObject({ kind: 'missing' })
  const c = await RoomServer.open(3)
  const [head] = a.rooms.extremities(roomId)
  await joinPartially(c, c.user('carol'), a, roomId)
  expect(await c.rooms.receive(roomId, await follow([head!]), signal)).toMatchObject({ kind: 'missing' })
})
