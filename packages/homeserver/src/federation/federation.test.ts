import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { describe, expect, test } from 'vitest'
import { never, SimulatedRelay, SimulatedServer } from './simulated-server.test-support.ts'

async function twoServersAndRelay(seed = 1) {
  const world = new SimulatedWorld(seed)
  const relay = await new SimulatedRelay(world).start()
  const alice = await new SimulatedServer(world, 'alice', [relay.server]).start()
  const bob = await new SimulatedServer(world, 'bob', [relay.server]).start()
  await world.run(1_000)
  return { world, relay, alice, bob }
}

describe('two servers that are there', () => {
  test('invite, join and talk both ways', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await alice.send(roomId, 'from alice')
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, 5_000, "alice's message arrives")
    await bob.send(roomId, 'from bob')
    await world.runUntil(async () => (await alice.messages(roomId)).length === 2, 5_000, "bob's message arrives")
    expect(await alice.messages(roomId)).toEqual(['from alice', 'from bob'])
    expect(await bob.messages(roomId)).toEqual(['from alice', 'from bob'])
    await world.run(1_000)
    expect(await alice.undelivered()).toEqual(new Map())
    expect(await bob.undelivered()).toEqual(new Map())
  })
})

describe('a peer that sleeps', () => {
  test('gets its mail from the relay, in order and once, and the sender learns of it', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await world.run(5_000)
    await bob.kill()
    const sent: string[] = []
    for (let count = 0; count < 20; count++) {
      await alice.send(roomId, `message ${count}`)
      sent.push(`message ${count}`)
      await alice.sendToDevice(bob, `key ${count}`)
      await world.run(100)
    }
    await world.runUntil(
      async () => [...(await alice.undelivered()).values()].every((states) => states[bob.server] === 'at_relay'),
      60_000,
      'everything is at the relay',
    )
    expect((await alice.undelivered()).size).toBe(20)
    await alice.kill()
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 20, 60_000, 'bob has everything')
    expect(await bob.messages(roomId)).toEqual(sent)
    expect(bob.inbox.size).toBe(20)
    await alice.start()
    await world.runUntil(async () => (await alice.undelivered()).size === 0, 60_000, 'alice knows')
    expect(await bob.messages(roomId)).toEqual(sent)
    void never
  })
})
