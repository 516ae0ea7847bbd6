import {
  type EventId,
  eventIdOf,
  type Pdu,
  prevEventIdsOf,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type UnhashedPdu,
} from '@kith/matrix-protocol'
import { beforeEach, expect, test } from 'vitest'
import { catchUp, joinRemotely, RoomServer, sentId, signal, stateBeforeFrom, stateForJoin } from './room-servers.test-support.ts'

const version = roomVersion('12') as RoomVersion

let a: RoomServer
let b: RoomServer
let roomId: RoomId

beforeEach(async () => {
  a = await RoomServer.open(1)
  b = await RoomServer.open(2)
  roomId = await a.createRoom(a.user('alice'))
  await joinRemotely(b, b.user('bob'), a, roomId)
})

/** An event as a server would make it that follows no rules but those of signing. */
async function forge(server: RoomServer, event: Partial<UnhashedPdu>): Promise<Pdu> {
  const template = await a.rooms.makeTemplate(
    { roomId, sender: server === a ? a.user('alice') : b.user('bob'), type: 'm.room.message', content: {} },
    signal,
  )
  if (template.kind !== 'template') throw new Error(template.kind)
  return server.sign({ ...(template.event as unknown as UnhashedPdu), ...event }, version)
}

test('a message from elsewhere is accepted once, and the state of both servers is one', async () => {
  const eventId = await b.say(roomId, b.user('bob'), 'hello')
  const { pdu } = await b.stored(eventId)
  expect(await a.rooms.receive(roomId, pdu, signal)).toMatchObject({ kind: 'accepted', eventId, position: a.timeline.position })
  expect(await a.rooms.receive(roomId, pdu, signal)).toEqual({ kind: 'duplicate', eventId })
  expect(a.stateText(roomId)).toBe(b.stateText(roomId))
  expect(a.rooms.extremities(roomId)).toEqual([eventId])
  expect(await a.outboxOf(b.name)).toEqual([])
})

test('what is missing is named and nothing is stored; the batch in order is accepted', async () => {
  const ids = [await b.say(roomId, b.user('bob'), '1'), await b.say(roomId, b.user('bob'), '2'), await b.say(roomId, b.user('bob'), '3')]
  const pdus = await Promise.all(ids.map(async (eventId) => (await b.stored(eventId)).pdu))
  const last = pdus[2] as Pdu
  expect(await a.rooms.receive(roomId, last, signal)).toEqual({ kind: 'missing', eventId: ids[2], eventIds: [ids[1]], authEventIds: [] })
  expect(await a.rooms.event(ids[2]!)).toBeUndefined()
  const outcomes = await a.rooms.receiveMany(roomId, pdus, signal)
  expect([...outcomes.keys()]).toEqual(ids)
  expect([...outcomes.values()].map((outcome) => outcome.kind)).toEqual(['accepted', 'accepted', 'accepted'])
})

test('wrong signatures, other rooms and unknown rooms are turned away', async () => {
  const good = await forge(b, { content: { body: 'x' } })
  const signatures = { [b.name]: { 'ed25519:1': 'A'.repeat(86) } }
  expect(await a.rooms.receive(roomId, { ...good, signatures }, signal)).toMatchObject({ kind: 'rejected', reason: 'a signature is wrong' })
  expect(await a.rooms.receive(roomId, { ...good, signatures: {} }, signal)).toMatchObject({
    kind: 'rejected',
    reason: 'a signature is missing',
  })
  expect(await a.rooms.event(eventIdOf(good, version))).toBeUndefined()
  const other = await a.createRoom(a.user('alice'))
  expect(await a.rooms.receive(other, good, signal)).toMatchObject({ kind: 'rejected', reason: 'event of another room' })
  expect(await a.rooms.receive('!nowhere' as RoomId, good, signal)).toEqual({ kind: 'unknown-room' })
})

test('an event whose content is not what was hashed counts redacted', async () => {
  const good = await forge(b, { content: { body: 'x' } })
  expect(await a.rooms.receive(roomId, { ...good, content: { body: 'tampered' } }, signal)).toMatchObject({ kind: 'accepted' })
  expect((await a.stored(eventIdOf(good, version))).pdu.content).toEqual({})
})

test('a whole copy takes the place of a damaged one, and no damaged one that of a whole one', async () => {
  const good = await forge(b, { content: { body: 'x' } })
  for (const body of ['tampered', 'x', 'tampered again']) await a.rooms.receive(roomId, { ...good, content: { body } }, signal)
  expect((await a.stored(eventIdOf(good, version))).pdu.content).toEqual({ body: 'x' })
})

test('a whole copy of an event that was redacted changes nothing', async () => {
  const good = await forge(b, { content: { body: 'x' } })
  await a.rooms.receive(roomId, { ...good, content: {} }, signal)
  await a.send(roomId, a.user('alice'), { type: 'm.room.redaction', redacts: eventIdOf(good, version), content: {} })
  await a.rooms.receive(roomId, good, signal)
  expect((await a.stored(eventIdOf(good, version))).pdu.content).toEqual({})
})

test('an event that the rules forbid is kept as rejected, shown to nobody, and may be built upon', async () => {
  const bad = await forge(b, { type: 'm.room.name', state_key: '', content: { name: 'mine' } })
  const badId = eventIdOf(bad, version)
  expect(await a.rooms.receive(roomId, bad, signal)).toMatchObject({ kind: 'rejected', reason: 'sender.power' })
  expect(await a.rooms.receive(roomId, bad, signal)).toMatchObject({ kind: 'duplicate' })
  expect(a.rooms.state(roomId)?.get('m.room.name', '')).toBeUndefined()
  const child = await forge(b, { prev_events: [badId], depth: bad.depth + 1, content: { body: 'x' } })
  expect(await a.rooms.receive(roomId, child, signal)).toMatchObject({ kind: 'accepted' })
  expect((await a.history(roomId)).map((event) => event.eventId)).not.toContain(badId)
})

test('events without predecessors, or that cite another room, are rejected, and may be built upon', async () => {
  expect(await a.rooms.receive(roomId, await forge(b, { prev_events: [] }), signal)).toMatchObject({ kind: 'rejected' })
  const other = await a.createRoom(a.user('alice'))
  const [foreign] = a.rooms.extremities(other)
  const bad = await forge(b, { auth_events: [foreign!] })
  expect(await a.rooms.receive(roomId, bad, signal)).toMatchObject({ kind: 'rejected' })
  const chain = await a.rooms.authChain([eventIdOf(bad, version)])
  expect(chain?.filter((event) => event.roomId !== roomId)).toEqual([])
  const child = await forge(b, { prev_events: [eventIdOf(bad, version)], depth: bad.depth + 1, content: { body: 'x' } })
  expect(await a.rooms.receive(roomId, child, signal)).toMatchObject({ kind: 'accepted' })
})

test('events of other rooms are as unknown to a server that has them as to one that has not', async () => {
  const other = await a.createRoom(a.user('alice'))
  const [foreign] = a.rooms.extremities(other)
  const mixed = await forge(b, { prev_events: [...a.rooms.extremities(roomId), foreign!] })
  const mixedId = eventIdOf(mixed, version)
  expect(await a.rooms.receive(roomId, mixed, signal)).toMatchObject({ kind: 'missing', eventIds: [foreign] })
  const child = await forge(b, { prev_events: [mixedId], depth: mixed.depth + 1, content: { body: 'x' } })
  expect(await a.rooms.receive(roomId, child, signal)).toMatchObject({ kind: 'missing', eventIds: [mixedId] })
  const stateIds = [...(a.rooms.state(roomId)?.entries() ?? [])].map(({ eventId }) => eventId)
  const before = { stateIds, events: [] }
  for (const server of [a, b]) {
    expect(await server.rooms.receiveWithState(roomId, mixed, before, signal)).toMatchObject({ kind: 'accepted' })
    expect(await server.rooms.receive(roomId, child, signal)).toMatchObject({ kind: 'accepted' })
  }
  expect(a.rooms.extremities(roomId)).toEqual(b.rooms.extremities(roomId))
  expect(a.stateText(roomId)).toBe(b.stateText(roomId))
})

test('an event that was allowed where it was sent and is not allowed now is soft-failed, and harmless', async () => {
  const before = await forge(b, { content: { body: 'sent from the past' } })
  await a.setMembership(roomId, a.user('alice'), b.user('bob'), 'ban')
  expect(await a.rooms.receive(roomId, before, signal)).toMatchObject({ kind: 'soft-failed' })
  const beforeId = eventIdOf(before, version)
  expect((await a.history(roomId)).map((event) => event.eventId)).not.toContain(beforeId)
  expect(a.rooms.extremities(roomId)).not.toContain(beforeId)
  await a.restart()
  await a.say(roomId, a.user('alice'), 'life goes on')
  expect(a.rooms.state(roomId)?.membershipOf(b.user('bob'))).toBe('ban')
})

test('branches of state are resolved, and merged by the next event', async () => {
  const [alice, bob] = [a.user('alice'), b.user('bob')]
  const levels = { users: { [bob]: 50 } }
  sentId(await a.send(roomId, alice, { type: 'm.room.power_levels', stateKey: '', content: levels }))
  await catchUp(b, a, roomId)
  await Promise.all([
    a.send(roomId, alice, { type: 'm.room.topic', stateKey: '', content: { topic: 'of alice' } }),
    b.send(roomId, bob, { type: 'm.room.name', stateKey: '', content: { name: 'of bob' } }),
    b.send(roomId, bob, { type: 'm.room.topic', stateKey: '', content: { topic: 'of bob' } }),
  ])
  await catchUp(b, a, roomId)
  await catchUp(a, b, roomId)
  expect(a.rooms.extremities(roomId)).toHaveLength(2)
  expect(a.stateText(roomId)).toBe(b.stateText(roomId))
  expect(a.rooms.state(roomId)?.get('m.room.name', '')?.pdu.content).toEqual({ name: 'of bob' })
  const merged = await a.say(roomId, alice, 'merged')
  expect(prevEventIdsOf((await a.stored(merged)).pdu)).toHaveLength(2)
  expect(a.rooms.extremities(roomId)).toEqual([merged])
  const before = a.stateText(roomId)
  await a.restart()
  expect(a.stateText(roomId)).toBe(before)
})

test('receiveAndForward puts the event into the outboxes of the other servers', async () => {
  const c = await RoomServer.open(3)
  const joined = await joinRemotely(c, c.user('carol'), a, roomId)
  expect(await a.outboxOf(b.name)).toEqual([joined])
  expect(await a.outboxOf(c.name)).toEqual([])
})

test('an event after a gap is received with the state that another server tells', async () => {
  for (let index = 0; index < 5; index++) await a.say(roomId, a.user('alice'), `lost ${index}`)
  sentId(await a.send(roomId, a.user('alice'), { type: 'm.room.topic', stateKey: '', content: { topic: 'changed in the gap' } }))
  const last = await a.stored(await a.say(roomId, a.user('alice'), 'arrives'))
  expect(await b.rooms.receive(roomId, last.pdu, signal)).toMatchObject({ kind: 'missing' })
  const ids = [...((await a.rooms.stateIdsBefore(last.eventId))?.values() ?? [])]
  expect(await b.rooms.receiveWithState(roomId, last.pdu, { stateIds: ids, events: [] }, signal)).toMatchObject({ kind: 'missing' })
  const answer = await stateForJoin(a, last.eventId)
  const outcome = await b.rooms.receiveWithState(
    roomId,
    last.pdu,
    { stateIds: ids, events: [...answer.state, ...answer.authChain] },
    signal,
  )
  expect(outcome).toMatchObject({ kind: 'accepted' })
  expect(b.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({ topic: 'changed in the gap' })
  await b.restart()
  expect(b.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({ topic: 'changed in the gap' })
  const next = await b.stored(await b.say(roomId, b.user('bob'), 'goes on'))
  expect(prevEventIdsOf(next.pdu)).toContain(last.eventId)
})

test('a room that was left can be joined again, and keeps its old history', async () => {
  const left = await b.setMembership(roomId, b.user('bob'), b.user('bob'), 'leave')
  await a.rooms.receive(roomId, (await b.stored(left)).pdu, signal)
  expect(b.rooms.joinedRooms(b.user('bob'))).toEqual([])
  expect(b.rooms.has(roomId)).toBe(true)
  await a.say(roomId, a.user('alice'), 'unseen')
  const joined = await joinRemotely(b, b.user('bob'), a, roomId)
  expect(a.stateText(roomId)).toBe(b.stateText(roomId))
  const page = await b.rooms.page(roomId, { from: undefined, direction: 'b', limit: 10 })
  expect(page.events.map((event) => event.eventId)).toEqual([joined])
  expect(page.gapAt).toHaveLength(1)
  const rest = await b.rooms.page(roomId, { from: page.end, direction: 'b', limit: 10 })
  expect(rest.events.map((event) => event.eventId)).toContain(left)
})

test('what another server answers to a join is checked', async () => {
  const c = await RoomServer.open(3)
  const carol = c.user('carol')
  const template = await a.rooms.makeTemplate(
    { roomId, sender: carol, type: 'm.room.member', stateKey: carol, content: { membership: 'join' } },
    signal,
  )
  if (template.kind !== 'template') throw new Error(template.kind)
  const event = await c.sign(template.event as unknown as UnhashedPdu, version)
  await a.rooms.receiveAndForward(roomId, event, signal)
  const { state, authChain } = await stateForJoin(a, eventIdOf(event, version))
  const install = async (change: object): Promise<unknown> =>
    c.rooms.installJoined({ version: '12', event, state, authChain, ...change }, signal)
  expect(await install({ version: 'none' })).toMatchObject({ kind: 'invalid' })
  expect(await install({ state: [], authChain: [] })).toMatchObject({ kind: 'invalid' })
  expect(await install({ state: state.filter((pdu) => pdu.type !== 'm.room.join_rules'), authChain })).toMatchObject({ kind: 'invalid' })
  expect(await install({ event: { ...event, signatures: {} } })).toMatchObject({ kind: 'invalid' })
  expect(await install({ event: state.find((pdu) => pdu.type === 'm.room.member') })).toMatchObject({ kind: 'invalid' })
  const tampered = state.map((pdu) => ({ ...pdu, signatures: {} }))
  expect(await install({ state: tampered, authChain: [] })).toMatchObject({ kind: 'invalid' })
  expect(c.rooms.has(roomId)).toBe(false)
  expect(await install({})).toMatchObject({ kind: 'joined' })
  expect(await install({})).toMatchObject({ kind: 'joined' })
  expect(c.stateText(roomId)).toBe(a.stateText(roomId))
})

test.each(['10', '11'])("a state that begins with another create event is nobody's state of this room, in version %s", async (id) => {
  const version = roomVersion(id)!
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const roomId = await a.createRoom(a.user('alice'), { version: id })
  await joinRemotely(b, b.user('bob'), a, roomId)
  const { pdu: create } = a.rooms.state(roomId)!.get('m.room.create', '')!
  const { hashes: _hashes, signatures: _signatures, ...unsigned } = create
  const other = await a.sign({ ...unsigned, origin_server_ts: 7 }, version)
  const lie = async (eventId: EventId) => {
    const { stateIds, events } = await stateBeforeFrom(a, eventId)
    const ids = stateIds.map((stateId) => (stateId === eventIdOf(create, version) ? eventIdOf(other, version) : stateId))
    return { stateIds: ids, events: [...events, other] }
  }
  await a.say(roomId, a.user('alice'), 'before the gap')
  const said = await a.say(roomId, a.user('alice'), 'after the gap')
  const { pdu } = await a.stored(said)
  const told = await b.rooms.receiveWithState(roomId, pdu, await lie(said), signal)
  expect(told).toEqual({ kind: 'rejected', eventId: said, reason: 'state.other-create' })
  expect(await b.rooms.receiveWithState(roomId, pdu, await stateBeforeFrom(a, said), signal)).toMatchObject({ kind: 'accepted' })

  // Nor does a server come back into another room than it left.
  const left = await b.setMembership(roomId, b.user('bob'), b.user('bob'), 'leave')
  await a.rooms.receive(roomId, (await b.stored(left)).pdu, signal)
  const member = { type: 'm.room.member', stateKey: b.user('bob'), content: { membership: 'join' } }
  const template = await a.rooms.makeTemplate({ roomId, sender: b.user('bob'), ...member }, signal)
  if (template.kind !== 'template') throw new Error(template.kind)
  const event = await b.sign(template.event as unknown as UnhashedPdu, version)
  await a.rooms.receiveAndForward(roomId, event, signal)
  const { state, authChain } = await stateForJoin(a, eventIdOf(event, version))
  const changed = { state: state.map((each) => (each.type === 'm.room.create' ? other : each)), authChain: [...authChain, create] }
  expect(await b.rooms.installJoined({ version: id, event, ...changed }, signal)).toMatchObject({ kind: 'invalid' })
  expect(await b.rooms.installJoined({ version: id, event, state, authChain }, signal)).toMatchObject({ kind: 'joined' })
})
