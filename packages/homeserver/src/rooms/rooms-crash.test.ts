import type { EventId, RoomId } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { expect, test } from 'vitest'
import { StorageFullError } from '../ports/index.ts'
import { timelineTables } from '../timeline/index.ts'
import { joinRemotely, RoomServer, sentId, signal, stateForJoin } from './room-servers.test-support.ts'
import { roomsTables } from './tables.ts'

/** Everything that the rows say must be there is there. */
async function checkWhole(server: RoomServer): Promise<void> {
  const storage = openMemoryStorage({ disk: server.disk })
  const stream = await storage.range(timelineTables.stream, { limit: 1000 })
  for (const { key, value } of stream) {
    if (value.kind !== 'room-event') continue
    const event = await server.stored(value.eventId)
    expect(event).toMatchObject({ status: 'accepted', position: key[0] })
    expect(server.rooms.has(value.roomId)).toBe(true)
    expect(await server.rooms.stateBefore(value.eventId)).toBeDefined()
    expect(await server.rooms.stateAfter(value.eventId)).toBeDefined()
  }
  for (const roomId of server.rooms.roomIds()) {
    const shown = stream.filter(({ value }) => value.kind === 'room-event' && value.roomId === roomId)
    const history = await storage.range(roomsTables.history, { prefix: [roomId], limit: 1000 })
    expect(history.filter((row) => row.value.position !== undefined)).toHaveLength(shown.length)
    const heads = await server.rooms.events(server.rooms.extremities(roomId))
    expect(heads.every((head) => head?.status === 'accepted')).toBe(true)
  }
  const outbox = await storage.range(timelineTables.outbox, { limit: 1000 })
  const waiting = outbox.flatMap(({ value: { item } }) => (item.kind === 'pdu' ? [item.eventId] : []))
  expect(await server.rooms.events(waiting)).not.toContain(undefined)
}

/** A journey through everything that writes; notes what was acknowledged, and stops at the first failure. */
async function live(b: RoomServer, a: RoomServer, roomId: RoomId, acknowledged: EventId[]): Promise<void> {
  const bob = b.user('bob')
  const own = await b.createRoom(bob)
  acknowledged.push(...b.rooms.extremities(own))
  const late = await a.say(roomId, a.user('alice'), 'older than the join')
  acknowledged.push(await joinRemotely(b, bob, a, roomId))
  acknowledged.push(await b.say(roomId, bob, 'first'))
  const topic = sentId(await a.send(roomId, a.user('alice'), { type: 'm.room.topic', stateKey: '', content: { topic: 'branch' } }))
  await b.rooms.receiveMany(roomId, [(await a.stored(topic)).pdu], signal)
  acknowledged.push(topic)
  acknowledged.push(...(await Promise.all([b.say(roomId, bob, 'together'), b.say(roomId, bob, 'in one commit')])))
  acknowledged.push(sentId(await b.send(roomId, bob, { type: 'm.room.redaction', content: {}, redacts: acknowledged[2]! })))
  await b.rooms.appendHistory(roomId, [(await a.stored(late)).pdu], [], signal)
  acknowledged.push(late)
}

test('a crash at any commit leaves every room whole and nothing acknowledged is lost', { timeout: 60_000 }, async () => {
  for (let failing = 1; ; failing++) {
    const a = await RoomServer.open(1)
    const roomId = await a.createRoom(a.user('alice'))
    let commits = 0
    let crashed = false
    const b = await RoomServer.open(2, (operation) => {
      if (operation !== 'commit' || ++commits < failing) return
      crashed = true
      throw new Error('crash')
    })
    const acknowledged: EventId[] = []
    await live(b, a, roomId, acknowledged).catch(() => undefined)
    await b.restart()
    await checkWhole(b)
    expect(await b.rooms.events(acknowledged)).not.toContain(undefined)
    // Life goes on from wherever it was: the same journey, on the same disk.
    await live(b, a, roomId, acknowledged)
    await checkWhole(b)
    expect(await b.rooms.events(acknowledged)).not.toContain(undefined)
    if (!crashed) return
    expect(failing).toBeLessThan(50)
  }
})

test('a full disk fails the send, moves nothing in memory, and the room works on when there is room again', async () => {
  let full = false
  const a = await RoomServer.open(1, () => {
    if (full) throw new StorageFullError('full')
  })
  const alice = a.user('alice')
  const roomId = await a.createRoom(alice)
  const [state, extremities, { position }] = [a.stateText(roomId), a.rooms.extremities(roomId), a.timeline]
  full = true
  const topic = { type: 'm.room.topic', stateKey: '', content: { topic: 'x' } }
  await expect(a.send(roomId, alice, topic)).rejects.toThrow(StorageFullError)
  await expect(a.createRoom(alice)).rejects.toThrow(StorageFullError)
  expect([a.stateText(roomId), a.rooms.extremities(roomId), a.timeline.position]).toEqual([state, extremities, position])
  expect(a.rooms.roomIds()).toEqual([roomId])
  full = false
  const eventId = sentId(await a.send(roomId, alice, topic))
  expect(a.rooms.extremities(roomId)).toEqual([eventId])
  await a.restart()
  expect(a.rooms.state(roomId)?.get('m.room.topic', '')?.eventId).toBe(eventId)
  await checkWhole(a)
})

test('a join that cannot be stored leaves no room behind', async () => {
  const a = await RoomServer.open(1)
  const roomId = await a.createRoom(a.user('alice'))
  let full = true
  const b = await RoomServer.open(2, () => {
    if (full) throw new StorageFullError('full')
  })
  await expect(joinRemotely(b, b.user('bob'), a, roomId)).rejects.toThrow(StorageFullError)
  expect(b.rooms.has(roomId)).toBe(false)
  full = false
  const joined = a.rooms.extremities(roomId)[0]!
  const installed = await b.rooms.installJoined(
    { version: '12', event: (await a.stored(joined)).pdu, ...(await stateForJoin(a, joined)) },
    signal,
  )
  expect(installed).toMatchObject({ kind: 'joined' })
})
