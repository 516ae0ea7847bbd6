import { afterEach, beforeEach, expect, test } from 'vitest'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'
import { SlidingClient } from './sliding/sliding-client.test-support.ts'

let world: SimulatedWorld
let nodes: TestNode[]
let alice: TestUser
let carol: TestUser
/** Of the other server. */
let bob: TestUser

beforeEach(async () => {
  world = new SimulatedWorld(5)
  nodes = [new TestNode(world), new TestNode(world)]
  for (const node of nodes) await node.start()
  alice = await nodes[0]!.register('alice')
  carol = await nodes[0]!.register('carol')
  bob = await nodes[1]!.register('bob')
  const { room_id: roomId } = await world.finish(alice.ok('POST', '/createRoom', { preset: 'public_chat', invite: [bob.userId] }))
  await carol.ok('POST', `/join/${encodeURIComponent(roomId)}`)
  await world.runUntil(async () => (await quiet(bob)).rooms.invite[roomId] !== undefined, 60_000, 'the invite comes')
  await world.finish(bob.ok('POST', `/join/${encodeURIComponent(roomId)}`))
  // Whoever was there before is away by now.
  await world.run(120_000)
})

afterEach(async () => {
  for (const node of nodes) await node[Symbol.asyncDispose]()
})

/** A sync that does not say that its user is there. */
async function quiet(user: TestUser, since?: string, more: Record<string, string> = {}): Promise<Json> {
  return user.sync(since, { set_presence: 'offline', ...more })
}

function told(answer: Json): Record<string, Json> {
  return Object.fromEntries(answer.presence.events.map((event: Json) => [event.sender, event.content]))
}

async function status(of: TestUser, by: TestUser): Promise<Json> {
  return by.ok('GET', `/presence/${of.userId}/status`)
}

test('whoever syncs is there, for those who share a room here and elsewhere, until they stop', async () => {
  const since = [(await quiet(carol)).next_batch, (await quiet(bob)).next_batch] as const
  await alice.sync()
  await world.run(1_000)
  for (const [user, token] of [
    [carol, since[0]],
    [bob, since[1]],
  ] as const)
    expect(told(await quiet(user, token))[alice.userId]).toEqual({
      presence: 'online',
      currently_active: true,
      last_active_ago: expect.any(Number),
    })
  await world.run(90_000)
  for (const user of [carol, bob]) expect(await status(alice, user)).toMatchObject({ presence: 'offline' })
  expect(told(await quiet(bob, since[1]))[alice.userId]).toMatchObject({ presence: 'offline' })
  // At first only those are told of who are there.
  expect(told(await quiet(bob))).toEqual({})
})

test('whoever comes into a room learns who is there, and those inside that the newcomer is', async () => {
  const dora = await nodes[0]!.register('dora')
  const roomId = Object.keys((await quiet(alice)).rooms.join)[0]!
  await alice.sync()
  const { next_batch: doras } = await dora.sync()
  await world.run(5_000)
  const { next_batch: alices } = await quiet(alice)
  expect(told(await quiet(dora, doras))).not.toHaveProperty(alice.userId)
  const { next_batch: since } = await quiet(dora, doras)
  await dora.ok('POST', `/join/${encodeURIComponent(roomId)}`)
  const joined = told(await quiet(dora, since))
  expect(joined[alice.userId]).toMatchObject({ presence: 'online' })
  // Nothing is said of those who are away.
  expect(joined).not.toHaveProperty(carol.userId)
  expect(told(await quiet(alice, alices))[dora.userId]).toMatchObject({ presence: 'online' })
})

test('whoever syncs by sliding sync is there as well', async () => {
  expect(await status(alice, carol)).toMatchObject({ presence: 'offline' })
  await new SlidingClient(alice).sync()
  expect(await status(alice, carol)).toMatchObject({ presence: 'online' })
})

test('a user may stay away, by each poll or by saying so', async () => {
  await quiet(alice)
  expect(await status(alice, carol)).toEqual({ presence: 'offline' })
  await alice.ok('PUT', `/presence/${alice.userId}/status`, { presence: 'offline', status_msg: 'gone fishing' })
  await alice.sync()
  expect(await status(alice, carol)).toMatchObject({ presence: 'offline', status_msg: 'gone fishing' })
  await alice.ok('PUT', `/presence/${alice.userId}/status`, { presence: 'online' })
  expect(await status(alice, carol)).toMatchObject({ presence: 'online' })
})

test('who does nothing for a while is idle, and back with the first thing they do', async () => {
  const roomId = Object.keys((await quiet(alice)).rooms.join)[0]!
  for (let passedMs = 0; passedMs < 6 * 60_000; passedMs += 20_000) {
    await alice.sync()
    await world.run(20_000)
  }
  expect(await status(alice, carol)).toMatchObject({ presence: 'unavailable' })
  await alice.say(roomId, 'here I am')
  expect(await status(alice, carol)).toMatchObject({ presence: 'online', currently_active: true })
  await alice.sync(undefined, { set_presence: 'unavailable' })
  expect(await status(alice, carol)).toMatchObject({ presence: 'unavailable' })
})

test('changes within a moment are told once, as they are then', async () => {
  await alice.sync()
  await world.run(1_000)
  const { next_batch: since } = await quiet(bob)
  const seen: Json[] = []
  for (let index = 0; index < 20; index++) {
    await alice.ok('PUT', `/presence/${alice.userId}/status`, { presence: 'online', status_msg: `${index}` })
    await world.run(200)
    seen.push(told(await quiet(bob, since))[alice.userId]?.status_msg)
  }
  await world.run(20_000)
  expect(told(await quiet(bob, since))[alice.userId]).toMatchObject({ status_msg: '19' })
  expect(new Set(seen).size).toBeLessThanOrEqual(2)
})

test('a poll answers to who comes, and sleeps through its own user', async () => {
  const { next_batch: since } = await quiet(carol)
  const poll = quiet(carol, since, { timeout: '30000' })
  let settled = false
  void poll.finally(() => (settled = true))
  await carol.sync()
  await world.run(2_000)
  expect(settled).toBe(false)
  await alice.sync()
  await world.run(2_000)
  expect(told(await poll)[alice.userId]).toMatchObject({ presence: 'online' })
})

test('presence is nobody else’s business, and what nobody may say is not believed', async () => {
  const stranger = await nodes[0]!.register('stranger')
  await alice.sync()
  expect(await stranger.call('GET', `/presence/${alice.userId}/status`)).toMatchObject({ status: 403 })
  expect(told(await stranger.sync())).not.toHaveProperty(alice.userId)
  expect(await alice.call('PUT', `/presence/${carol.userId}/status`, { presence: 'online' })).toMatchObject({ status: 403 })
  expect(await alice.call('GET', '/sync?set_presence=dancing')).toMatchObject({ status: 400 })
})

test('filters choose whose presence is told, and the ignored have none', async () => {
  await alice.sync()
  await world.run(1_000)
  const of = async (presence: object) => Object.keys(told(await quiet(carol, undefined, { filter: JSON.stringify({ presence }) })))
  expect(await of({})).toContain(alice.userId)
  expect(await of({ not_senders: [alice.userId] })).not.toContain(alice.userId)
  expect(await of({ types: [] })).toEqual([])
  await carol.ok('PUT', `/user/${carol.userId}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
  expect(await of({})).not.toContain(alice.userId)
})
