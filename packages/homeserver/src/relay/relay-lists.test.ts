import type { JsonObject } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { silentLog } from '@kith/testkit/silent-log'
import { addressOf } from '@kith/testkit/simulated-network'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { describe, expect, test } from 'vitest'
import { signJson } from '../federation/signed-json.ts'
import { RelayLists } from './relay-lists.ts'

async function openLists(disk = new MemoryDisk()) {
  const world = new SimulatedWorld(1)
  const identity = world.createIdentity()
  const network = world.network.node(identity.server)
  const ports = { clock: world.clock, crypto: identity.crypto, storage: openMemoryStorage({ disk }), network, log: silentLog }
  return { world, identity, network, disk, lists: await RelayLists.open(ports, identity.server) }
}

describe('relay lists of others', () => {
  test('are learned when rightly signed, and teach the network the way', async () => {
    const { world, lists, network, disk } = await openLists()
    const other = world.createIdentity()
    const relay = world.createIdentity().server
    const list = {
      server: other.server,
      relays: [{ server: relay, addresses: [addressOf(relay)] }],
      seq: 3,
      expires: world.clock.now() + 1_000,
    }
    const signed = await signJson(other.crypto, other.server, list)
    expect(await lists.learn(other.server, signed)).toEqual({ kind: 'learned', server: other.server })
    expect(await lists.relaysOf(other.server)).toEqual(list.relays)
    expect(network.learned.get(relay)).toEqual([addressOf(relay)])
    expect(network.learned.get(other.server)).toEqual([`${addressOf(relay)}/p2p-circuit`])
    const older = await signJson(other.crypto, other.server, { ...list, relays: [], seq: 2 })
    expect(await lists.learn(other.server, older)).toEqual({ kind: 'known', server: other.server })
    const newer = await signJson(other.crypto, other.server, { ...list, relays: [], seq: 4 })
    expect(await lists.learn(other.server, newer)).toEqual({ kind: 'learned', server: other.server })
    const reopened = await openLists(disk)
    expect(await reopened.lists.relaysOf(other.server)).toEqual([])
    expect(reopened.lists.knows(other.server)).toBe(true)
  })

  test('are refused when forged, of another server, or malformed', async () => {
    const { world, lists } = await openLists()
    const other = world.createIdentity()
    const forger = world.createIdentity()
    const list: JsonObject = { server: other.server, relays: [], seq: 1, expires: 1 }
    const signed = await signJson(other.crypto, other.server, list)
    const refused = [
      list,
      { ...signed, seq: 2 },
      await signJson(forger.crypto, other.server, list),
      await signJson(forger.crypto, forger.server, { ...list, server: forger.server }),
      await signJson(other.crypto, other.server, {
        ...list,
        relays: Array.from({ length: 9 }, () => ({ server: other.server, addresses: [] })),
      }),
      await signJson(other.crypto, other.server, { ...list, seq: -1 }),
      [],
      null,
    ]
    for (const value of refused) expect((await lists.learn(other.server, value)).kind).toBe('invalid')
    expect(lists.knows(other.server)).toBe(false)
  })
})

describe("this server's own relay list", () => {
  test('gets a greater number with each change, also over restarts, and is renewed in time', async () => {
    const { world, identity, lists, disk } = await openLists()
    const relay = world.createIdentity().server
    const relays = [{ server: relay, addresses: [addressOf(relay)] }]
    await lists.setOwnRelays(relays)
    const first = lists.ownSequence
    await lists.setOwnRelays(relays)
    expect(lists.ownSequence).toBe(first)
    await lists.setOwnRelays([])
    expect(lists.ownSequence).toBe(first + 1)
    const reopened = await openLists(disk)
    expect(reopened.lists.ownSequence).toBe(first + 1)
    await reopened.world.clock.advance(20 * 24 * 3_600_000)
    await reopened.lists.setOwnRelays([])
    expect(reopened.lists.ownSequence).toBe(first + 2)
    const other = await openLists()
    expect(await other.lists.learn(identity.server, reopened.lists.own)).toMatchObject({ kind: 'known' })
  })
})
