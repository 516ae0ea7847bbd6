import type { JsonObject, JsonValue, ServerName } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import { silentLog } from '@kith/testkit/silent-log'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { RelayLists } from '../../relay/relay-lists.ts'
import { Rooms } from '../../rooms/index.ts'
import { homeserverTableNames } from '../../storage-schema.ts'
import { Timeline, timelineTables } from '../../timeline/index.ts'
import { PeerClient } from '../peer-client.ts'
import { buildDeliver } from './build-deliver.ts'
import { createPublicRoom } from '../hostile/hostile-setting.test-support.ts'
import { SimulatedServer } from '../simulated-server.test-support.ts'

const MINUTE_MS = 60_000
const { specification, implementation } = limits

const toDevice = (number: number) => ({ kind: 'edu', type: 'm.direct_to_device', content: { message_id: `${number}` } }) as const

/** Deliver alone, over a storage whose reads are watched. */
async function sender(world = new SimulatedWorld(1), ownRelays: readonly ServerName[] = []) {
  const identity = world.createIdentity()
  const storage = openMemoryStorage({ tableNames: homeserverTableNames })
  const rowsRead: number[] = []
  const range = storage.range.bind(storage)
  storage.range = async (table, query) => {
    const rows = await range(table, query)
    rowsRead.push(rows.length)
    return rows
  }
  const network = world.network.node(identity.server)
  const ports = { clock: world.clock, random: world.random, log: silentLog, crypto: identity.crypto, storage, network }
  const timeline = await Timeline.open(storage)
  const lifetime = new AbortController()
  const deliver = buildDeliver({
    ports,
    rooms: await Rooms.open(ports, timeline, identity.server),
    timeline,
    serverName: identity.server,
    client: new PeerClient(ports),
    relayLists: await RelayLists.open(ports, identity.server),
    ownRelays: () => ownRelays,
    heardExtremities: () => undefined,
    signal: lifetime.signal,
  })
  await network.start(lifetime.signal)
  deliver.start()
  const enqueue = (server: ServerName, count: number) =>
    timeline.commit((transaction) => {
      for (let number = 0; number < count; number++) transaction.enqueue(server, toDevice(number))
    })
  const rowsLeft = async () => (await range(timelineTables.outbox, { limit: 100_000 })).length
  return { world, deliver, enqueue, rowsRead, rowsLeft, server: identity.server, network }
}

function transactionsTo(peer: HostileServer): { readonly pdus: JsonValue[]; readonly edus: JsonObject[] }[] {
  return peer.asked.flatMap(({ path, body }) =>
    path.startsWith('/v1/send/') ? [{ pdus: body['pdus'] as JsonValue[], edus: body['edus'] as JsonObject[] }] : [],
  )
}

test('thousands of rows go in order, a transaction at a time, each within the specification', async () => {
  const { world, enqueue, rowsRead, rowsLeft } = await sender()
  const peer = await new HostileServer(world, 'peer').start()
  let inFlight = 0
  let inFlightMax = 0
  peer.answering(async () => {
    inFlightMax = Math.max(inFlightMax, ++inFlight)
    await world.clock.sleep(50, new AbortController().signal)
    inFlight--
    return Response.json({ pdus: {} })
  })
  await enqueue(peer.server, 3_000)
  await world.runUntil(async () => (await rowsLeft()) === 0, 10 * MINUTE_MS, 'all is delivered')
  const edus = transactionsTo(peer).map((sent) => sent.edus)
  expect(edus.flat().map((edu) => (edu['content'] as JsonObject)['message_id'])).toEqual(
    Array.from({ length: 3_000 }, (_, number) => `${number}`),
  )
  expect(Math.max(...edus.map(({ length }) => length))).toBe(specification.edusPerTransactionMax)
  expect(inFlightMax).toBe(1)
  expect(Math.max(...rowsRead)).toBeLessThanOrEqual(200)
})

test('events go fifty at a time', async () => {
  const world = new SimulatedWorld(2)
  const alice = await new SimulatedServer(world, 'alice', []).start()
  const peer = await new HostileServer(world, 'peer').start()
  const roomId = await createPublicRoom(alice, '11')
  await peer.join(alice.server, roomId)
  peer.network.goDown()
  for (let count = 0; count < 180; count++) await alice.send(roomId, `${count}`)
  await world.run(1_000)
  peer.network.comeUp()
  await world.runUntil(async () => (await alice.undelivered()).size === 0, 30 * MINUTE_MS, 'all is delivered')
  const sizes = transactionsTo(peer).map(({ pdus }) => pdus.length)
  expect(Math.max(...sizes)).toBe(specification.pdusPerTransactionMax)
})

test('a peer that does not answer is tried ever less often, and at once when a request of it comes', async () => {
  const { world, deliver, enqueue, rowsLeft } = await sender()
  const peer = await new HostileServer(world, 'peer').start()
  let silent = true
  peer.answering(() => (silent ? new Promise(() => undefined) : Response.json({ pdus: {} })))
  await enqueue(peer.server, 1)
  await world.run(60 * MINUTE_MS)
  const tries = peer.asked.length
  expect(tries).toBeLessThan(20)
  await world.run(60 * MINUTE_MS)
  expect(peer.asked.length - tries).toBeLessThanOrEqual(13)
  silent = false
  deliver.peerSeen(peer.server)
  await world.runUntil(async () => (await rowsLeft()) === 0, 1_000, 'it is delivered')
})

test('a peer that refuses is not hurried by its own requests', async () => {
  const { world, deliver, enqueue } = await sender()
  const peer = await new HostileServer(world, 'peer').start()
  peer.answering(() => Response.json({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 5 * MINUTE_MS }, { status: 429 }))
  await enqueue(peer.server, 1)
  await world.run(1_000)
  const tries = peer.asked.length
  for (let count = 0; count < 100; count++) {
    deliver.peerSeen(peer.server)
    await world.run(1_000)
  }
  expect(peer.asked.length).toBe(tries)
})

test('hundreds of peers that are away keep nobody waiting, and none costs anything once it has its own', { timeout: 60_000 }, async () => {
  const { world, deliver, enqueue, rowsLeft } = await sender()
  const away = Array.from({ length: 300 }, () => world.createIdentity().server)
  for (const server of away) await enqueue(server, 1)
  const peer = await new HostileServer(world, 'peer').start()
  await world.run(MINUTE_MS)
  // Somebody who is there gets theirs, whatever is tried elsewhere.
  await enqueue(peer.server, 1)
  await world.runUntil(() => transactionsTo(peer).length === 1, 2 * MINUTE_MS, 'the peer that is there has its own')
  await enqueue(peer.server, 1)
  await world.runUntil(() => transactionsTo(peer).length === 2, 1_000, 'and the next one at once')
  await world.run(1_000)
  expect(deliver.destinationCount).toBe(away.length)
  expect(await rowsLeft()).toBe(away.length)
  deliver.sendEphemeral([peer.server], { type: 'm.typing', content: {} })
  await world.run(1_000)
  expect(transactionsTo(peer)).toHaveLength(3)
  expect(deliver.destinationCount).toBe(away.length)
})

test('rows that wait are all there after any time, and typing is not', async () => {
  const { world, deliver, enqueue, rowsLeft } = await sender()
  const peer = new HostileServer(world, 'peer')
  deliver.sendEphemeral([peer.server], { type: 'm.typing', content: { user_id: '@a' } })
  await enqueue(peer.server, 5)
  await world.run(3 * 24 * 60 * MINUTE_MS)
  expect(await rowsLeft()).toBe(5)
  await peer.start()
  await world.runUntil(async () => (await rowsLeft()) === 0, 2 * implementation.deliverBackoffMaxMs, 'they arrive')
  expect(transactionsTo(peer).flatMap(({ edus }) => edus.map((edu) => edu['edu_type']))).toEqual(
    Array.from({ length: 5 }, () => 'm.direct_to_device'),
  )
})

/** A sender, a relay that takes everything, and a peer that is away without anybody saying so: whoever calls it waits until they give up. */
async function beforeClosedDoor() {
  const world = new SimulatedWorld(3)
  const relay = await new HostileServer(world, 'relay').start()
  relay.answering(({ path }) =>
    path.startsWith('/v1/send_relay/') ? Response.json({ expires_at: world.clock.now() + 60 * MINUTE_MS }) : undefined,
  )
  const peer = await new HostileServer(world, 'peer').start()
  const { network, enqueue } = await sender(world, [relay.server])
  const door = { isClosed: true, calls: 0 }
  const request = network.request.bind(network)
  network.request = async (server, asked, signal) => {
    if (server !== peer.server) return request(server, asked, signal)
    door.calls++
    try {
      if (!door.isClosed) return await request(server, asked, signal)
    } catch {
      // The connection broke; it dials anew.
    } finally {
      door.calls--
    }
    door.calls++
    return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })).finally(
      () => door.calls--,
    )
  }
  return { world, relay, peer, enqueue, door }
}

function idOf({ path }: { readonly path: string } | undefined = { path: '' }): string | undefined {
  return /^\/v1\/send(?:_relay)?\/([^/]+)/.exec(path)?.[1]
}

test('what comes while the door of somebody away is tried goes to the relays at once', async () => {
  const { world, relay, peer, enqueue, door } = await beforeClosedDoor()
  await enqueue(peer.server, 1)
  await world.run(1_000)
  await enqueue(peer.server, 1)
  await world.run(1_000)
  // Nobody knows yet that the peer is away: it may be slow.
  expect({ calls: door.calls, handedOver: relay.askedCount('/v1/send_relay/') }).toEqual({ calls: 1, handedOver: 0 })
  await world.run(implementation.deliverTimeoutMs)
  expect(relay.askedCount('/v1/send_relay/')).toBe(1)
  for (let count = 2; count < 6; count++) {
    await world.runUntil(() => door.calls === 1, MINUTE_MS, 'the door is tried again')
    await enqueue(peer.server, 1)
    await world.run(500)
    expect({ calls: door.calls, handedOver: relay.askedCount('/v1/send_relay/') }).toEqual({ calls: 1, handedOver: count })
    await world.run(implementation.deliverTimeoutMs)
  }
})

test('what was on its way over a connection that breaks goes to the relays as the same transaction, while the peer is dialled anew', async () => {
  const { world, relay, peer, enqueue, door } = await beforeClosedDoor()
  door.isClosed = false
  peer.answering(() => new Promise(() => undefined))
  await enqueue(peer.server, 2)
  await world.run(500)
  expect({ calls: door.calls, handedOver: relay.askedCount('/v1/send_relay/') }).toEqual({ calls: 1, handedOver: 0 })
  peer.network.goDown()
  await world.run(500)
  expect({ calls: door.calls, handedOver: relay.askedCount('/v1/send_relay/') }).toEqual({ calls: 1, handedOver: 1 })
  expect(idOf(relay.asked.at(-1))).toBe(idOf(peer.asked.at(-1)))
})
