import type { RoomId } from '@kith/matrix-protocol'
import type { SeededRandom } from '@kith/testkit/seeded-random'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { mailboxTables } from '../relay/mailbox-tables.ts'
import { timelineTables } from '../timeline/index.ts'
import { SimulatedRelay, SimulatedServer } from './simulated-server.test-support.ts'

const STEPS = 60
const HOUR_MS = 3_600_000

/** What the disturbances must have led to, over all seeds; else they disturb nothing. */
const witnessed = { divergence: false, mail: false }

/** What everybody must have in the end. */
interface Sent {
  readonly messages: string[]
  readonly toDevice: { readonly to: SimulatedServer; readonly key: string }[]
}

test.each(Array.from({ length: 12 }, (_, seed) => seed + 1))(
  'nothing is lost or doubled among three servers and two relays, seed %i',
  { timeout: 120_000 },
  async (seed) => {
    const world = new SimulatedWorld(seed)
    const relays = [await new SimulatedRelay(world).start(), await new SimulatedRelay(world).start()]
    const names = relays.map((relay) => relay.server)
    const servers: SimulatedServer[] = []
    for (const [index, name] of ['alice', 'bob', 'carol'].entries()) {
      servers.push(await new SimulatedServer(world, name, index === 2 ? names.slice(0, 1) : names).start())
    }
    await world.run(2_000)
    const [alice, bob, carol] = servers as [SimulatedServer, SimulatedServer, SimulatedServer]
    const roomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await alice.bringIn(carol, roomId)
    await world.run(10_000)

    const sent: Sent = { messages: [], toDevice: [] }
    world.network.breaksPercent = 3
    for (let step = 0; step < STEPS; step++) await disturb(world, world.random, servers, relays, roomId, sent, step)

    const running = servers.filter((server) => server.isRunning)
    const histories = await Promise.all(running.map((server) => server.messages(roomId)))
    witnessed.divergence ||= new Set(histories.map((history) => history.toSorted().join())).size > 1
    for (const relay of relays) witnessed.mail ||= (await relay.storage.range(mailboxTables.entries, { limit: 1 })).length > 0

    world.network.mendAll()
    for (const relay of relays) await relay.start()
    for (const server of servers) {
      if (!server.isRunning) await server.start()
      server.network.comeUp()
    }
    await world.runUntil(() => isQuiet(servers, relays), 4 * HOUR_MS, 'every outbox and mailbox is empty')
    await world.run(120_000)

    for (const server of servers) {
      const messages = await server.messages(roomId)
      expect(messages.toSorted()).toEqual(sent.messages.toSorted())
      expect(await server.undelivered()).toEqual(new Map())
      expect(server.rooms.extremities(roomId).toSorted()).toEqual(alice.rooms.extremities(roomId).toSorted())
    }
    for (const { to, key } of sent.toDevice) expect([...to.inbox.keys()]).toContain(key)
    for (const server of servers) await server.kill()
  },
)

test('the disturbances disturbed', () => {
  expect(witnessed).toEqual({ divergence: true, mail: true })
})

async function disturb(
  world: SimulatedWorld,
  random: SeededRandom,
  servers: readonly SimulatedServer[],
  relays: readonly SimulatedRelay[],
  roomId: RoomId,
  sent: Sent,
  step: number,
): Promise<void> {
  const server = pick(random, servers)
  const other = pick(random, servers)
  switch (random.integer(12)) {
    case 0:
      await server.kill()
      break
    case 1:
    case 2:
      if (!server.isRunning) await server.start()
      break
    case 3:
      if (server.isRunning) server.network.goDown()
      break
    case 4:
      if (server.isRunning) server.network.comeUp()
      break
    case 5:
      world.network.cut(server.server, other.server)
      break
    case 6:
      world.network.mend(server.server, other.server)
      break
    case 7: {
      const relay = pick(random, relays)
      await relay.kill()
      if (random.integer(2) === 0) await relay.start()
      break
    }
    default:
      if (!server.isRunning) break
      await server.send(roomId, `${step} by ${server.user.slice(0, 6)}`)
      sent.messages.push(`${step} by ${server.user.slice(0, 6)}`)
      if (other !== server) {
        await server.sendToDevice(other, `key ${step}`)
        sent.toDevice.push({ to: other, key: `${server.user} key ${step}` })
      }
  }
  await world.run(random.integer(4) === 0 ? random.integer(120_000) : random.integer(500))
}

async function isQuiet(servers: readonly SimulatedServer[], relays: readonly SimulatedRelay[]): Promise<boolean> {
  for (const server of servers) if ((await server.storage.range(timelineTables.outbox, { limit: 1 })).length > 0) return false
  for (const relay of relays) if ((await relay.storage.range(mailboxTables.entries, { limit: 1 })).length > 0) return false
  return true
}

function pick<T>(random: SeededRandom, items: readonly T[]): T {
  const item = items[random.integer(items.length)]
  if (item === undefined) throw new RangeError('Nothing to pick from')
  return item
}
