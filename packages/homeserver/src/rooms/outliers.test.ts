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
  let isFirst = true
  b.storage.commit = async (writes) => {
    const turns = isFirst ? 1000 : 0
    isFirst = false
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    return commit(writes)
  }
  const storing = b.rooms.addOutliers(roomId, [pdu], signal)
  while (isFirst) await Promise.resolve()
  const [outcome] = await Promise.all([b.rooms.receive(roomId, pdu, signal), storing])
  expect(outcome).toMatchObject({ kind: 'accepted' })
  expect(await b.stored(eventId)).toMatchObject({ status: 'accepted', position: expect.any(Number) })
  await b.restart()
  expect(await b.stored(eventId)).toMatchObject({ status: 'accepted', stateAfter: expect.any(String) })
})
