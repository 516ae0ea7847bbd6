import type { Key, Storage } from '@kith/homeserver/ports'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkStore } from './store-check.ts'
import { World } from './world/world.ts'

const ROWS_MAX = 10_000
/** Each row of these is named by another, or names another that names it. */
const CHECKED = [
  'rooms.rooms',
  'rooms.events',
  'rooms.history',
  'rooms.arrivals',
  'timeline.outbox',
  'timeline.outbox-by-event',
  'rooms.relations',
  'rooms.relation-types',
  'rooms.thread-replies',
]

let disk: MemoryDisk

beforeAll(async () => {
  const world = new World(1)
  await world.addServer('ann', []).start()
  await world.addServer('ben', []).start()
  const [alice, bob] = [await world.addUser('alice', 'ann'), await world.addUser('bob', 'ben')]
  await world.simulated.run(1_000)
  const initialState = Array.from({ length: 60 }, (_, index) => ({ type: 'kith.test', state_key: `${index}`, content: { index } }))
  const created = await world.simulated.finish(
    alice.ok('POST', '/createRoom', { preset: 'public_chat', room_version: '12', initial_state: initialState }),
  )
  const room = encodeURIComponent(created.room_id)
  await world.simulated.finish(bob.ok('POST', `/join/${room}?server_name=${alice.server.server}`, {}))
  for (const [index, user] of [alice, bob, alice].entries())
    await world.simulated.finish(user.ok('PUT', `/rooms/${room}/send/m.room.message/${index}`, { msgtype: 'm.text', body: `${index}` }))
  const said = { msgtype: 'm.text', body: 'reply', 'm.relates_to': { rel_type: 'm.thread', event_id: created.room_id.replace('!', '$') } }
  await world.simulated.finish(alice.ok('PUT', `/rooms/${room}/send/m.room.message/reply`, said))
  await world.simulated.run(5_000)
  world.server('ann').crash()
  await world.simulated.finish(bob.ok('PUT', `/rooms/${room}/send/m.room.message/away`, { msgtype: 'm.text', body: 'away' }))
  ;({ disk } = world.server('ben'))
})

function copyOfStore(): Storage {
  const copy = new MemoryDisk()
  for (const [name, entries] of disk.tables) copy.tables.set(name, [...entries])
  return openMemoryStorage({ disk: copy, tableNames: homeserverTableNames })
}

async function keysOf(storage: Storage, table: string): Promise<readonly Key[]> {
  return (await storage.range({ name: table }, { limit: ROWS_MAX })).map(({ key }) => key)
}

describe('a store', () => {
  test('of a server that has lived is whole', async () => {
    const { faults, roomIds, accepted } = await checkStore(copyOfStore())
    expect(faults).toEqual([])
    expect(roomIds.size).toBe(1)
    expect([...accepted.values()].filter((type) => type === 'm.room.message').length).toBeGreaterThanOrEqual(4)
  })

  test.each(CHECKED)('that lacks any row of %s is not', async (table) => {
    const keys = await keysOf(copyOfStore(), table)
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) {
      const storage = copyOfStore()
      await storage.commit([{ kind: 'delete', table, key }])
      expect([key, (await checkStore(storage)).faults]).not.toEqual([key, []])
    }
  })

  test('that lacks any part of a state that is in use, or holds another there, is not', async () => {
    const nodes = { name: 'rooms.state-nodes' } as const
    const rows = await copyOfStore().range<Key, object>(nodes, { limit: ROWS_MAX })
    expect(rows.length).toBeGreaterThan(3)
    for (const { key } of rows) {
      const storage = copyOfStore()
      await storage.commit([{ kind: 'delete', table: nodes.name, key }])
      const lacking = (await checkStore(storage)).faults
      await storage.commit([{ kind: 'put', table: nodes.name, key, value: { entries: [] } }])
      const wrong = (await checkStore(storage)).faults
      expect([key, lacking]).not.toEqual([key, []])
      expect([key, wrong]).not.toEqual([key, []])
    }
  })
})
