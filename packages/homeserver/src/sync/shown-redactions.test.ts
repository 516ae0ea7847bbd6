import type { EventId, RoomId } from '@kith/matrix-protocol'
import { beforeEach, describe, expect, test } from 'vitest'
import { catchUp, joinRemotely, RoomServer, sentId, signal } from '../rooms/room-servers.test-support.ts'
import { redactionsKeptBack } from './shown-redactions.ts'
import { Visibility } from './visibility.ts'

describe.each(['3', '10', '11', '12'])('in room version %s, clients are told of a redaction', (version) => {
  let a: RoomServer
  let b: RoomServer
  let roomId: RoomId

  beforeEach(async () => {
    a = await RoomServer.open(1)
    b = await RoomServer.open(2)
    roomId = await a.createRoom(a.user('alice'), { version, powerLevels: version === '12' ? {} : { users: { [a.user('alice')]: 100 } } })
    await joinRemotely(b, b.user('bob'), a, roomId)
  })

  async function redact(server: RoomServer, user: string, redacts: EventId): Promise<EventId> {
    return sentId(await server.send(roomId, server.user(user), { type: 'm.room.redaction', content: {}, redacts }))
  }

  async function isTold(server: RoomServer, user: string, eventId: EventId): Promise<boolean> {
    return new Visibility(server.rooms).isVisible(await server.stored(eventId), server.user(user))
  }

  test('that takes effect', async () => {
    const redaction = await redact(a, 'alice', await a.say(roomId, a.user('alice'), 'bad'))
    await catchUp(b, a, roomId)
    expect(await isTold(b, 'bob', redaction)).toBe(true)
  })

  test('not without the power for it: they would hide what is there', async () => {
    const said = await a.say(roomId, a.user('alice'), 'stays')
    await catchUp(b, a, roomId)
    const redaction = await redact(b, 'bob', said)
    await catchUp(a, b, roomId)
    expect(await isTold(a, 'alice', redaction)).toBe(false)
    expect(await isTold(b, 'bob', redaction)).toBe(false)
  })

  test('once its target is there', async () => {
    const said = await a.say(roomId, a.user('alice'), 'bad')
    const { pdu } = await a.stored(said)
    const redaction = await redact(a, 'alice', said)
    const c = await RoomServer.open(3)
    await joinRemotely(c, c.user('carol'), a, roomId)
    await c.rooms.appendHistory(roomId, [(await a.stored(redaction)).pdu], [], signal)
    expect(await isTold(c, 'carol', redaction)).toBe(false)
    await c.rooms.appendHistory(roomId, [pdu], [], signal)
    expect(await isTold(c, 'carol', redaction)).toBe(true)
    expect(await isTold(c, 'carol', said)).toBe(true)
  })
})

test.each([
  ['2', false],
  ['3', true],
  ['11', true],
  ['12', true],
])('in room version %s a redaction that came before its target is told of with it: %s', async (version, isKeptBack) => {
  const [a, b] = [await RoomServer.open(1), await RoomServer.open(2)]
  const [alice, bob] = [a.user('alice'), b.user('bob')]
  const users = { [bob]: 50, ...(version === '12' ? {} : { [alice]: 100 }) }
  const roomId = await a.createRoom(alice, { version, powerLevels: { users } })
  await joinRemotely(b, bob, a, roomId)
  const said = await a.say(roomId, alice, 'bad')
  const redaction = sentId(await b.send(roomId, bob, { type: 'm.room.redaction', content: {}, redacts: said }))
  const { position: known = 0 } = await b.stored(redaction)
  await catchUp(b, a, roomId)
  const target = await b.stored(said)
  const toldOnceKnown = async (position: number) => (await redactionsKeptBack(b.rooms, [target], position)).map(({ eventId }) => eventId)
  expect(target.redactedBy).toBe(redaction)
  expect(await toldOnceKnown(known)).toEqual(isKeptBack ? [redaction] : [])
  // Whoever has not come so far yet finds it where it is.
  expect(await toldOnceKnown(known - 1)).toEqual([])
})
