import { type EventId, redact, type RoomId, roomVersion } from '@kith/matrix-protocol'
import { beforeEach, expect, test } from 'vitest'
import { joinRemotely, RoomServer, sentId, signal } from '../rooms/room-servers.test-support.ts'
import type { StoredEvent } from '../rooms/index.ts'
import { Visibility } from './visibility.ts'

let resident: RoomServer
let server: RoomServer
let roomId: RoomId

beforeEach(async () => {
  resident = await RoomServer.open(1)
  server = await RoomServer.open(2)
  roomId = await resident.createRoom(resident.user('alice'))
})

/** An event from before the join, without what came before it: what the state was there, this server cannot know. */
async function backfilled(historyVisibility: string): Promise<StoredEvent> {
  const alice = resident.user('alice')
  const content = { history_visibility: historyVisibility }
  sentId(await resident.send(roomId, alice, { type: 'm.room.history_visibility', stateKey: '', content }))
  await resident.say(roomId, alice, 'unknown here')
  const old = await resident.stored(await resident.say(roomId, alice, 'old'))
  await resident.say(roomId, alice, 'between')
  await joinRemotely(server, server.user('bob'), resident, roomId)
  await server.rooms.appendHistory(roomId, [old.pdu], [], signal)
  const event = await server.stored(old.eventId)
  expect(event.stateBefore).toBeUndefined()
  return event
}

test.each([
  ['world_readable', true],
  ['shared', true],
  ['invited', false],
  ['joined', false],
])('what other servers showed to this one is for its only user; among several it depends on the room: %s', async (visibility, forAll) => {
  const event = await backfilled(visibility)
  const sees = async (user: string): Promise<boolean> => new Visibility(server.rooms).isVisible(event, server.user(user))
  expect(await sees('bob')).toBe(true)
  expect(await sees('carol')).toBe(false)
  await server.setMembership(roomId, server.user('carol'), server.user('carol'), 'join')
  expect([await sees('bob'), await sees('carol')]).toEqual([forAll, forAll])
  await server.setMembership(roomId, server.user('bob'), server.user('bob'), 'leave')
  expect([await sees('bob'), await sees('carol')]).toEqual([forAll, forAll])
})

test.each(['world_readable', 'shared', 'invited', 'joined'])(
  'what came without its content is kept back, unless it is known to be redacted: %s',
  async (visibility) => {
    const alice = resident.user('alice')
    const content = { history_visibility: visibility }
    sentId(await resident.send(roomId, alice, { type: 'm.room.history_visibility', stateKey: '', content }))
    await resident.say(roomId, alice, 'unknown here')
    const old = [await resident.say(roomId, alice, 'withheld'), await resident.say(roomId, alice, 'redacted later')]
    await resident.say(roomId, alice, 'between')
    await joinRemotely(server, server.user('bob'), resident, roomId)
    const version = roomVersion(resident.rooms.version(roomId)?.id ?? '')
    if (version === undefined) throw new Error('the room has a version')
    const pdus = await Promise.all(old.map(async (eventId) => redact((await resident.stored(eventId)).pdu, version)))
    const redaction = sentId(await resident.send(roomId, alice, { type: 'm.room.redaction', content: { redacts: old[1] ?? '' } }))
    await server.rooms.receive(roomId, (await resident.stored(redaction)).pdu, signal)
    await server.rooms.appendHistory(roomId, pdus, [], signal)
    const sees = async (eventId: EventId): Promise<boolean> =>
      new Visibility(server.rooms).isVisible(await server.stored(eventId), server.user('bob'))
    expect(await Promise.all(old.map(sees))).toEqual([false, true])
  },
)

test.each([
  ['world_readable', true],
  ['shared', true],
  ['invited', false],
  ['joined', false],
])('of the state, which every server has, only its beginning and that of the time inside are shown: %s', async (visibility, shown) => {
  const alice = resident.user('alice')
  const content = { history_visibility: visibility }
  sentId(await resident.send(roomId, alice, { type: 'm.room.history_visibility', stateKey: '', content }))
  const setTopic = async (topic: string): Promise<EventId> =>
    sentId(await resident.send(roomId, alice, { type: 'm.room.topic', stateKey: '', content: { topic } }))
  const create = resident.rooms.state(roomId)?.get('m.room.create', '')?.eventId
  if (create === undefined) throw new Error('the room was created')
  const old = [create, await setTopic('of unknown circumstances'), await setTopic('of known ones')]
  await joinRemotely(server, server.user('bob'), resident, roomId)
  const pdus = await Promise.all(old.map(async (eventId) => (await resident.stored(eventId)).pdu))
  await server.rooms.appendHistory(roomId, pdus, [], signal)
  const events = await Promise.all(old.map(async (eventId) => server.stored(eventId)))
  expect(events.map(({ stateBefore, stateAfter }) => [stateBefore, stateAfter !== undefined])).toEqual([
    [undefined, false],
    [undefined, false],
    [undefined, true],
  ])
  expect(await new Visibility(server.rooms).filter(events, server.user('bob'))).toEqual(shown ? events : events.slice(0, 1))
})

test('what came by a gap, and so has no place in the order of coming, is not shown to who had left before it', async () => {
  const bob = server.user('bob')
  const own = await server.createRoom(server.user('alice'))
  await server.setMembership(own, bob, bob, 'join')
  const inside = await server.stored(await server.say(own, server.user('alice'), 'inside'))
  await server.setMembership(own, bob, bob, 'leave')
  const later = await server.stored(await server.say(own, server.user('alice'), 'later'))
  const sees = async ({ position: _position, ...placeless }: StoredEvent): Promise<boolean> =>
    new Visibility(server.rooms).isVisible(placeless, bob)
  expect([await sees(inside), await sees(later)]).toEqual([true, false])
})
