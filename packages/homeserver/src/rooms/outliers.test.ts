import { expect, test } from 'vitest'
import { joinRemotely, RoomServer, signal } from './room-servers.test-support.ts'

test('an event that arrives while it is being stored as an outlier keeps its place', async () => {
  const a = await RoomServer.open(1)
  const b = await RoomServer.open(2)
  const roomId = await a.createRoom(a.user('alice'))
  await joinRemotely(b, b.user('bob'), a, roomId)
  const { eventId, pdu } = await a.stored(await a.say(roomId, a.user('alice'), 'both ways'))
  // The disk takes a while to store the outlier, and is quick with what comes in between.
  const commit = b.storage.commit.bind(b.storage)
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  b.storage.commit = async (writes) => {
    b.storage.commit = commit
    begin()
    for (let turn = 0; turn < 1000; turn++) await Promise.resolve()
    return commit(writes)
  }
  const storing = b.rooms.addOutliers(roomId, [pdu], signal)
  await begun
  const [outcome] = await Promise.all([b.rooms.receive(roomId, pdu, signal), storing])
  expect(outcome).toMatchObject({ kind: 'accepted' })
  expect(await b.stored(eventId)).toMatchObject({ status: 'accepted', position: expect.any(Number) })
  await b.restart()
  expect(await b.stored(eventId)).toMatchObject({ status: 'accepted', stateAfter: expect.any(String) })
})
