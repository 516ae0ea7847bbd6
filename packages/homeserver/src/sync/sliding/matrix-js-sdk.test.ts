import { createClient, ClientEvent, SyncState } from 'matrix-js-sdk'
import { type Logger, logger } from 'matrix-js-sdk/lib/logger.js'
import { SlidingSync } from 'matrix-js-sdk/lib/sliding-sync.js'
import { expect, test } from 'vitest'
import { systemClock } from '../../client-api/system-clock.test-support.ts'
import { TestNode } from '../../client-api/test-node.test-support.ts'

const silent: Logger = { getChild: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} }

async function eventually<T>(look: () => T | undefined | false, what: string): Promise<T> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const found = look()
    if (found !== undefined && found !== false) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`Never happened: ${what}`)
}

test('an unmodified client keeps up by sliding sync, also over a restart of the node', { timeout: 60_000 }, async () => {
  // Its own type leaves out what the library behind it has.
  ;(logger as Logger & { setLevel?: (level: 'silent') => void }).setLevel?.('silent')
  await using node = await TestNode.start({ clock: systemClock })
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await bob.createRoom({ name: 'Shared', invite: [alice.userId] })
  const client = createClient({
    baseUrl: 'http://node.test',
    userId: alice.userId,
    deviceId: alice.deviceId,
    accessToken: alice.token,
    logger: silent,
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
    await eventually(() => texts().join() === 'hello', 'the message is shown')
    expect(client.getRoom(roomId)?.getJoinedMemberCount()).toBe(2)
    await eventually(() => client.getRoom(roomId)?.getUnreadNotificationCount() === 1, 'it counts as unread')
    await node.restart()
    await bob.say(roomId, 'after the restart')
    await eventually(() => texts().join() === 'hello,after the restart', 'the client begins anew, and shows nothing twice')
  } finally {
    client.stopClient()
  }
})
