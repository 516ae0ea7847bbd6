import { eventually } from '@kith/testkit/eventually'
import { createClient, ClientEvent, SyncState } from 'matrix-js-sdk'
import { SlidingSync } from 'matrix-js-sdk/lib/sliding-sync.js'
import { expect, test } from 'vitest'
import { silenceSdk, silentLogger } from '../../client-api/quiet-sdk.test-support.ts'
import { systemClock } from '../../client-api/system-clock.test-support.ts'
import { TestNode } from '../../client-api/test-node.test-support.ts'

test('an unmodified client keeps up by sliding sync, also over a restart of the node', { timeout: 120_000 }, async () => {
  silenceSdk()
  await using node = await TestNode.start({ clock: systemClock })
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await bob.createRoom({ name: 'Shared', invite: [alice.userId] })
  const client = createClient({
    baseUrl: 'http://node.test',
    userId: alice.userId,
    deviceId: alice.deviceId,
    accessToken: alice.token,
    logger: silentLogger,
    fetchFn: async (input, init) => node.clientApi(new Request(input, init)),
  })
  try {
    const list = { ranges: [[0, 19]], timeline_limit: 20, required_state: [['*', '*']] }
    const slidingSync = new SlidingSync('http://node.test', new Map([['all', list]]), { timeline_limit: 20 }, client, 500)
    const prepared = new Promise<void>((resolve) => {
      client.on(ClientEvent.Sync, (state) => {
        if (state === SyncState.Prepared) resolve()
      })
    })
    await client.startClient({ slidingSync })
    await prepared
    expect(client.getRoom(roomId)?.name).toBe('Shared')
    await client.joinRoom(roomId)
    await bob.say(roomId, 'hello')
    const texts = (): unknown[] =>
      (client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [])
        .filter((event) => event.getType() === 'm.room.message')
        .map((event) => event.getContent()['body'])
    await eventually('the message is shown', 60_000, () => texts().join() === 'hello')
    expect(client.getRoom(roomId)?.getJoinedMemberCount()).toBe(2)
    await eventually('it counts as unread', 60_000, () => client.getRoom(roomId)?.getUnreadNotificationCount() === 1)
    await node.restart()
    await bob.say(roomId, 'after the restart')
    await eventually('the client begins anew, and shows nothing twice', 60_000, () => texts().join() === 'hello,after the restart')
  } finally {
    client.stopClient()
  }
})
