import { expect, test } from 'vitest'
import { TestNode } from '../client-api/test-node.test-support.ts'

test('a restarted node tells those who were shown somebody typing that nobody is, once', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice')
  const roomId = await alice.createRoom()
  const quiet = await alice.createRoom()
  await alice.ok('PUT', `/rooms/${roomId}/typing/${alice.userId}`, { typing: true })
  const shown = await alice.sync()
  expect(shown.rooms.join[roomId].ephemeral.events).toEqual([{ type: 'm.typing', content: { user_ids: [alice.userId] } }])
  for (let run = 0; run < 2; run++) {
    await node.restart()
    // Also for a client that was away for more than one run.
    const after = await alice.sync(shown.next_batch)
    expect(after.rooms.join[roomId].ephemeral.events).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    expect(after.rooms.join).not.toHaveProperty([quiet])
    expect((await alice.sync(after.next_batch)).rooms.join).toEqual({})
  }
  expect((await alice.sync()).rooms.join[roomId].ephemeral.events).toEqual([])
  await alice.ok('PUT', `/rooms/${roomId}/typing/${alice.userId}`, { typing: true })
  const again = await alice.sync()
  await node.restart()
  expect((await alice.sync(again.next_batch)).rooms.join[roomId].ephemeral.events).toEqual([
    { type: 'm.typing', content: { user_ids: [] } },
  ])
})
