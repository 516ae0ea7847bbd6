import type { JsonObject } from '@kith/matrix-protocol'
import { SimulatedWorld, type WorldIdentity } from '@kith/testkit/simulated-world'
import { mailboxTables } from '../relay/mailbox-tables.ts'
import type { RelayConfig } from '../relay-node.ts'
import { timelineTables } from '../timeline/index.ts'
import { never, SimulatedRelay, SimulatedServer } from './simulated-server.test-support.ts'

/** Two servers on one relay that know nothing of each other. */
export async function twoServersAndRelay(config: Partial<RelayConfig> = {}) {
  const world = new SimulatedWorld(1)
  const relay = await new SimulatedRelay(world, config).start()
  const alice = await new SimulatedServer(world, 'alice', [relay.server]).start()
  const bob = await new SimulatedServer(world, 'bob', [relay.server]).start()
  await world.run(1_000)
  const mailCount = async () => (await relay.storage.range(mailboxTables.entries, { limit: 1_000 })).length
  return { world, relay, alice, bob, mailCount }
}

export async function roomOfTwo(config: Partial<RelayConfig> = {}) {
  const setting = await twoServersAndRelay(config)
  const roomId = await setting.alice.createRoom()
  await setting.alice.bringIn(setting.bob, roomId)
  await setting.world.run(10_000)
  const stateAtAlice = async () => [...(await setting.alice.undelivered()).values()].map((states) => states[setting.bob.server])
  return { ...setting, roomId, stateAtAlice }
}

/** Asks as another node of the network; `identity` need not run a server. */
export async function ask(world: SimulatedWorld, identity: WorldIdentity, to: string, method: string, path: string, body?: unknown) {
  const network = world.network.node(identity.server)
  await network.start(never)
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const request = new Request(`https://${to}/_matrix/federation/${path}`, { method, ...(body === undefined ? {} : { body: text }) })
  const response = await world.finish(network.request(to as WorldIdentity['server'], request, never))
  return { status: response.status, body: (await response.json()) as JsonObject }
}

export async function outboxCount(server: SimulatedServer): Promise<number> {
  return (await server.storage.range(timelineTables.outbox, { limit: 1_000 })).length
}
