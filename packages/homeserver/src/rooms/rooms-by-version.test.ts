import {
  authEventIdsOf,
  type EventId,
  makeEventId,
  parsePdu,
  prevEventIdsOf,
  supportedRoomVersions,
  type UnhashedPdu,
} from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { catchUp, joinRemotely, RoomServer, sentId, signal } from './room-servers.test-support.ts'

test.each(supportedRoomVersions)('in room version $id two servers create, join, talk, redact and end alike', async (version) => {
  const [a, b] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, bob] = [a.user('alice'), b.user('bob')]
  const roomId = await a.createRoom(alice, { version: version.id })
  expect(roomId.includes(':')).toBe(!version.roomIdIsCreateEvent)
  // The room is for those invited, so that the invite is what lets Bob in.
  sentId(await a.send(roomId, alice, { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'invite' } }))
  await a.setMembership(roomId, alice, bob, 'invite')
  await joinRemotely(b, bob, a, roomId)

  const secret = await a.say(roomId, alice, 'secret')
  await catchUp(b, a, roomId)
  await b.say(roomId, bob, 'from the other side')
  const topic = sentId(await a.send(roomId, alice, { type: 'm.room.topic', stateKey: '', content: { topic: 'here' } }))
  // Neither has seen the other's last event: a fork, which both heal alike.
  await catchUp(a, b, roomId)
  await catchUp(b, a, roomId)
  sentId(await a.send(roomId, alice, { type: 'm.room.redaction', content: {}, redacts: secret }))
  await catchUp(b, a, roomId)

  expect(b.stateText(roomId)).toBe(a.stateText(roomId))
  expect(a.stateText(roomId)).toContain(topic)
  expect([...b.rooms.extremities(roomId)]).toEqual([...a.rooms.extremities(roomId)])
  for (const server of [a, b]) {
    expect((await server.stored(secret)).pdu.content).toEqual({})
    for (const { eventId, pdu } of await server.history(roomId)) {
      expect(parsePdu(pdu, version).kind).toBe('ok')
      expect(pdu.event_id).toBe(version.eventIds === 'given' ? eventId : undefined)
      const cited = await server.rooms.events([...authEventIdsOf(pdu), ...prevEventIdsOf(pdu)])
      expect(cited.every((event) => event?.roomId === roomId)).toBe(true)
    }
  }
  await a.restart()
  expect(a.stateText(roomId)).toBe(b.stateText(roomId))
  expect(a.rooms.version(roomId)?.id).toBe(version.id)
})

test.each(supportedRoomVersions.filter(({ eventIds }) => eventIds === 'given'))(
  'in room version $id an id that is taken is not given to another event',
  async (version) => {
    const [a, b] = [await RoomServer.open(1), await RoomServer.open(2)]
    const [alice, bob] = [a.user('alice'), b.user('bob')]
    const [roomId, otherId] = [await a.createRoom(alice, { version: version.id }), await a.createRoom(alice, { version: version.id })]
    await joinRemotely(b, bob, a, roomId)
    await joinRemotely(b, bob, a, otherId)
    const eventId = makeEventId('twice', b.name)
    const forge = async (room: typeof roomId, body: string) => {
      const template = await a.rooms.makeTemplate({ roomId: room, sender: bob, type: 'm.room.message', content: { body } }, signal)
      if (template.kind !== 'template') throw new Error(template.kind)
      return b.sign({ ...(template.event as unknown as UnhashedPdu), event_id: eventId }, version)
    }
    const [first, second, elsewhere] = [await forge(roomId, 'first'), await forge(roomId, 'second'), await forge(otherId, 'elsewhere')]
    expect(await a.rooms.receive(roomId, first, signal)).toMatchObject({ kind: 'accepted' })
    expect(await a.rooms.receive(roomId, first, signal)).toMatchObject({ kind: 'duplicate' })
    // Redaction takes the body from both, so that they differ only in the hash of their content, which stays.
    expect(await a.rooms.receive(roomId, second, signal)).toMatchObject({ kind: 'rejected', reason: 'event-id.taken' })
    expect(await a.rooms.receive(otherId, elsewhere, signal)).toMatchObject({ kind: 'rejected', reason: 'event-id.taken' })
    expect((await a.stored(eventId)).pdu.content).toEqual({ body: 'first' })
  },
)

test.each(supportedRoomVersions.filter(({ eventIds }) => eventIds === 'given'))(
  'in room version $id events that cite each other in a circle come to nothing',
  async (version) => {
    const [a, b] = [await RoomServer.open(1), await RoomServer.open(2)]
    const [alice, bob] = [a.user('alice'), b.user('bob')]
    const roomId = await a.createRoom(alice, { version: version.id })
    await joinRemotely(b, bob, a, roomId)
    const ids = [makeEventId('one', b.name), makeEventId('two', b.name)] as [EventId, EventId]
    const make = async (own: EventId, other: EventId) => {
      const template = await a.rooms.makeTemplate({ roomId, sender: bob, type: 'm.room.message', content: { body: own } }, signal)
      if (template.kind !== 'template') throw new Error(template.kind)
      const event = template.event as unknown as UnhashedPdu
      return b.sign({ ...event, event_id: own, prev_events: [[other, {}]], auth_events: [...event.auth_events, [other, {}]] }, version)
    }
    const circle = [await make(ids[0], ids[1]), await make(ids[1], ids[0])]
    const before = a.stateText(roomId)
    for (const outcome of (await a.rooms.receiveMany(roomId, circle, signal)).values()) expect(outcome.kind).not.toBe('accepted')
    await a.rooms.appendHistory(roomId, circle, circle, signal)
    expect(a.stateText(roomId)).toBe(before)
    await a.say(roomId, alice, 'the room goes on')
  },
)
