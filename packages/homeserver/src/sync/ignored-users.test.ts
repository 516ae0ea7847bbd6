import type { UserId } from '@kith/matrix-protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { IgnoredUsers } from '../accounts/ignored-users.ts'
import { SharedRoom } from '../client-api/shared-room.test-support.ts'
import type { Json, TestNode, TestUser } from '../client-api/test-node.test-support.ts'

let room: SharedRoom
let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string
let path: string

beforeEach(async () => {
  room = await SharedRoom.open()
  ;({ node, alice, bob, roomId, path } = room)
})

afterEach(async () => room[Symbol.asyncDispose]())

async function ignore(...users: TestUser[]): Promise<void> {
  const ignored = Object.fromEntries(users.map(({ userId }) => [userId, {}]))
  await bob.ok('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: ignored })
}

test('the list is read once for each change of it, also when it changes while it is read', async () => {
  const changed: ((userId: UserId, roomId: '', type: string) => void)[] = []
  let ignored = ['@one:example.org']
  let reads = 0
  const ignoredUsers = new IgnoredUsers({
    onChange: (listener) => void changed.push(listener),
    get: async () => {
      reads++
      const content = { ignored_users: Object.fromEntries(ignored.map((userId) => [userId, {}])) }
      await Promise.resolve()
      return content
    },
  })
  const reader = bob.userId as UserId
  const list = async (): Promise<string[]> => [...(await ignoredUsers.of(reader))]
  const change = (to: string[], type = 'm.ignored_user_list'): void => {
    ignored = to
    for (const listener of changed) listener(reader, '', type)
  }
  expect([await list(), await list(), reads]).toEqual([['@one:example.org'], ['@one:example.org'], 1])
  change(ignored, 'm.direct')
  expect([await list(), reads]).toEqual([['@one:example.org'], 1])
  change([])
  const old = list()
  change(['@two:example.org'])
  expect(await old).toEqual([])
  expect([await list(), reads]).toEqual([['@two:example.org'], 3])
})

test('what the ignored say is left out, and what they do to the room is not', async () => {
  const { next_batch: since } = await bob.sync()
  await ignore(alice, bob)
  await alice.say(roomId, 'unheard')
  await alice.ok('PUT', `${path}/state/m.room.topic/`, { topic: 'told' })
  await bob.say(roomId, 'mine')
  const { timeline } = (await bob.sync(since)).rooms.join[roomId]
  expect(timeline.events.map((event: Json) => event.content.body ?? event.content.topic)).toEqual(['told', 'mine'])
  expect(timeline.limited).toBe(false)
  // Room for what is wanted is not taken by what is not.
  const filter = JSON.stringify({ room: { timeline: { limit: 2 } } })
  for (let index = 0; index < 5; index++) await alice.say(roomId, 'noise')
  expect((await bob.sync(since, { filter })).rooms.join[roomId].timeline).toMatchObject({ limited: false, events: [{}, {}] })
})

test('a poll is not answered by the ignored', async () => {
  await ignore(alice)
  const { next_batch: since } = await bob.sync()
  let settled = false
  const poll = bob.sync(since, { timeout: '30000' }).finally(() => (settled = true))
  await alice.ok('PUT', `${path}/typing/${alice.userId}`, { typing: true })
  await node.world.run(100)
  expect(settled).toBe(false)
  await alice.ok('PUT', `${path}/state/m.room.topic/`, { topic: 'told' })
  await node.world.run(100)
  expect(settled).toBe(true)
  expect((await poll).rooms.join[roomId].timeline.events).toHaveLength(1)
})

test('receipts, typing and invites of the ignored stay away', async () => {
  const eventId = await bob.say(roomId, 'mine')
  const { next_batch: since } = await bob.sync()
  await ignore(alice)
  await alice.ok('POST', `${path}/receipt/m.read/${eventId}`, {})
  await alice.ok('PUT', `${path}/typing/${alice.userId}`, { typing: true })
  await alice.createRoom({ invite: [bob.userId] })
  const { rooms } = await bob.sync(since)
  expect(rooms).toMatchObject({ join: {}, invite: {} })
  await ignore()
  const later = await bob.sync()
  expect(Object.keys(later.rooms.invite)).toHaveLength(1)
  expect(later.rooms.join[roomId].ephemeral.events.map((event: Json) => event.type).toSorted()).toEqual(['m.receipt', 'm.typing'])
})
