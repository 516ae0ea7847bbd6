import { supportedRoomVersions } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

const kith = '/_matrix/client/unstable/im.kith'

async function meet(one: TestUser, other: TestUser): Promise<void> {
  const { user_id: userId, relay_list: relayList } = await other.ok('GET', `${kith}/contact`)
  await one.ok('POST', `${kith}/contacts`, { user_id: userId, relay_list: relayList })
}

test('clients are told of all room versions, and that all are stable', async () => {
  const world = new SimulatedWorld(1)
  await using node = new TestNode(world)
  await node.start()
  const alice = await node.register('alice')
  const { capabilities } = await alice.ok('GET', '/capabilities')
  const available = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [String(index + 1), 'stable']))
  expect(capabilities['m.room_versions']).toEqual({ default: '12', available })
})

test('the version of new rooms can be configured, but not to one that is unknown', async () => {
  await using node = await TestNode.start({ defaultRoomVersion: '10' })
  const alice = await node.register('alice')
  expect((await alice.ok('GET', '/capabilities')).capabilities['m.room_versions'].default).toBe('10')
  const version = async (body: object) => {
    const roomId = await alice.createRoom(body)
    return (await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state/m.room.create`)).room_version
  }
  expect(await version({})).toBe('10')
  expect(await version({ room_version: '11' })).toBe('11')
  await expect(TestNode.start({ defaultRoomVersion: '13' })).rejects.toThrow(RangeError)
})

test.each(supportedRoomVersions)(
  'a room of version $id, from its creation to a redaction seen by another server',
  async ({ id, eventIds }) => {
    const world = new SimulatedWorld(Number(id))
    await using here = new TestNode(world)
    await using there = new TestNode(world)
    for (const node of [here, there]) await node.start()
    const [alice, bob] = [await here.register('alice'), await there.register('bob')]
    await meet(alice, bob)
    await meet(bob, alice)
    const created = { preset: 'private_chat', room_version: id, invite: [bob.userId] }
    const { room_id: roomId } = await world.finish<Json>(alice.ok('POST', '/createRoom', created))
    const path = `/rooms/${encodeURIComponent(roomId)}`
    const until = async (what: string, holds: () => Promise<unknown>) => world.runUntil(async () => Boolean(await holds()), 60_000, what)
    await until('the invite arrives', async () => (await bob.sync()).rooms.invite[roomId])
    await world.finish(bob.ok('POST', `/join/${encodeURIComponent(roomId)}`))

    const eventId = await alice.say(roomId, 'secret')
    expect(/^\$[^:]+:/.test(eventId)).toBe(eventIds === 'given')
    const seen = async (): Promise<Json> => {
      const { timeline } = (await bob.sync()).rooms.join[roomId]
      return timeline.events.find((event: Json) => event.event_id === eventId)
    }
    await until('the message arrives', async () => (await seen())?.content.body === 'secret')
    await alice.ok('PUT', `${path}/redact/${encodeURIComponent(eventId)}/1`, {})
    await until('the redaction arrives', async () => (await seen())?.unsigned?.redacted_because)
    expect((await seen()).content).toEqual({})

    const stateOf = async (user: TestUser) => (await user.ok('GET', `${path}/state`)).map((event: Json) => event.event_id).toSorted()
    expect(await stateOf(bob)).toEqual(await stateOf(alice))
    for (const event of await alice.ok('GET', `${path}/state`)) {
      expect(Object.keys(event)).not.toContain('prev_events')
      expect(Object.keys(event)).not.toContain('auth_events')
    }
  },
)
