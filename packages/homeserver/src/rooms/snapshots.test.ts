import { type EventId, type RoomId, type StateKey, stateKeyOf } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { SeededRandom } from '@kith/testkit/seeded-random'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { WriteBatch } from '../ports/index.ts'
import { difference, extend, lookUp, readWhole, type Snapshot, SnapshotStore, toRow, wholeSnapshot } from './snapshots.ts'
import { roomsTables } from './tables.ts'

const roomId = '!room' as RoomId
const { snapshotChainMax } = limits.implementation

test('a long chain gives back every state, with few links and small differences', async () => {
  const storage = openMemoryStorage()
  const random = new SeededRandom(7)
  const expected: Map<StateKey, EventId>[] = []
  const snapshots: Snapshot[] = []
  const reader = { get: async (id: number) => snapshots[id] ?? (await new SnapshotStore(storage).get(roomId, id)) }
  const state = new Map<StateKey, EventId>()
  const batch = new WriteBatch()
  for (let id = 0; id < 5_000; id++) {
    const key = stateKeyOf('m.room.member', `@${random.integer(200)}:x`)
    const eventId = random.integer(10) === 0 && state.has(key) ? undefined : (`$${id}` as EventId)
    if (eventId === undefined) state.delete(key)
    else state.set(key, eventId)
    const snapshot = id === 0 ? wholeSnapshot(0, state) : await extend(reader, id - 1, id, new Map([[key, eventId]]))
    snapshots.push(snapshot)
    expected.push(new Map(state))
    batch.put(roomsTables.snapshots, [roomId, id], toRow(snapshot))
  }
  await storage.commit(batch.writes)

  const whole = snapshots.filter((snapshot) => snapshot.base === undefined)
  expect(whole).toHaveLength(2)
  const store = new SnapshotStore(storage)
  const stored = { get: async (id: number) => store.get(roomId, id) }
  for (let id = 0; id < snapshots.length; id += 61) {
    expect(await readWhole(stored, id)).toEqual(expected[id])
    const key = stateKeyOf('m.room.member', `@${id % 200}:x`)
    expect(await lookUp(stored, id, key)).toBe(expected[id]?.get(key))
    expect(await chainLength(stored, id)).toBeLessThanOrEqual(2 * snapshotChainMax)
  }
})

async function chainLength(reader: { get: (id: number) => Promise<Snapshot> }, id: number): Promise<number> {
  let length = 0
  for (let next: number | undefined = id; next !== undefined; length++) next = (await reader.get(next)).base
  return length
}

test('a difference turns one state into the other', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((type) => stateKeyOf(type, '')) as [StateKey, StateKey, StateKey]
  const from = new Map([
    [a, '$1' as EventId],
    [b, '$2' as EventId],
  ])
  const to = new Map([
    [a, '$1' as EventId],
    [c, '$3' as EventId],
  ])
  expect(difference(from, to)).toEqual(
    new Map([
      [c, '$3'],
      [b, undefined],
    ]),
  )
})
