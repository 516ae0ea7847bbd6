import { type EventId, type RoomId, type StateKey, stateKeyOf } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WriteBatch } from '../ports/index.ts'
import { DraftStates, StateStore, type StoredStates } from './state-store.ts'
import { EMPTY_STATE, LEAF_ENTRIES_MAX, type NodeId, type StateRoot, type TrieNode } from './state-trie.ts'
import { roomsTables } from './tables.ts'

const roomId = '!room' as RoomId
type Model = ReadonlyMap<StateKey, EventId>
type Change = readonly [key: number, value: number | undefined]

// Many keys, so that leaves split and branches fall together again; few values, so that states meet.
const change: fc.Arbitrary<Change> = fc.tuple(fc.nat({ max: 4 * LEAF_ENTRIES_MAX }), fc.option(fc.nat({ max: 3 }), { nil: undefined }))
const changes = fc.array(change, { maxLength: 6 * LEAF_ENTRIES_MAX })

const keyOf = (index: number): StateKey => stateKeyOf('m.room.member', `@${index}:x`)

function deltaOf(list: readonly Change[]): Map<StateKey, EventId | undefined> {
  return new Map(list.map(([key, value]) => [keyOf(key), value === undefined ? undefined : (`$${value}` as EventId)]))
}

function modelOf(base: Model, delta: ReadonlyMap<StateKey, EventId | undefined>): Map<StateKey, EventId> {
  const model = new Map(base)
  for (const [key, eventId] of delta) {
    if (eventId === undefined) model.delete(key)
    else model.set(key, eventId)
  }
  return model
}

const openStates = (): DraftStates => new DraftStates(new StateStore(openMemoryStorage()).of(roomId))

async function fromScratch(states: DraftStates, model: Model): Promise<StateRoot> {
  return states.change(EMPTY_STATE, model)
}

test('a state holds what a map would hold, and its id follows from that alone', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { maxLength: 6 }), async (steps) => {
      const states = openStates()
      let root = EMPTY_STATE
      let model: Model = new Map()
      for (const step of steps) {
        const delta = deltaOf(step)
        root = await states.change(root, delta)
        model = modelOf(model, delta)
        expect(await states.whole(root)).toEqual(model)
        expect(await fromScratch(openStates(), model)).toBe(root)
        const keys = step.map(([key]) => keyOf(key))
        expect(await states.lookUpMany(root, keys)).toEqual(new Map([...model].filter(([key]) => keys.includes(key))))
      }
      let oneByOne = EMPTY_STATE
      for (const entry of [...model].toReversed()) oneByOne = await states.change(oneByOne, new Map([entry]))
      expect(oneByOne).toBe(root)
      for (const key of model.keys()) oneByOne = await states.change(oneByOne, new Map([[key, undefined]]))
      expect(oneByOne).toBe(EMPTY_STATE)
    }),
    { numRuns: 60 },
  )
})

test('the difference of two states is that of the maps, and turns one into the other', async () => {
  await fc.assert(
    fc.asyncProperty(changes, changes, changes, async (common, left, right) => {
      const states = openStates()
      const base = modelOf(new Map(), deltaOf(common))
      const models = [modelOf(base, deltaOf(left)), modelOf(base, deltaOf(right))] as const
      const roots = [await fromScratch(states, models[0]), await fromScratch(states, models[1])] as const
      const difference = await states.difference(roots[0], roots[1])
      const keys = [...new Set([...models[0].keys(), ...models[1].keys()])].filter((key) => models[0].get(key) !== models[1].get(key))
      expect(difference).toEqual(new Map(keys.map((key) => [key, { from: models[0].get(key), to: models[1].get(key) }])))
      const delta = new Map(Array.from(difference, ([key, { to }]) => [key, to]))
      expect(await states.change(roots[0], delta)).toBe(roots[1])
    }),
    { numRuns: 100 },
  )
})

test('what was stored is read again, and a lost row is an error and not another state', async () => {
  const storage = openMemoryStorage()
  const states = new DraftStates(new StateStore(storage).of(roomId))
  const model = modelOf(new Map(), deltaOf(Array.from({ length: 200 }, (_, index) => [index, index])))
  const root = await states.change(EMPTY_STATE, model)
  const batch = new WriteBatch()
  for (const [id, node] of states.created) batch.put(roomsTables.stateNodes, [roomId, id], node)
  await storage.commit(batch.writes)
  expect(await new StateStore(storage).of(roomId).whole(root)).toEqual(model)
  await storage.commit(new WriteBatch().delete(roomsTables.stateNodes, [roomId, [...states.created.keys()][3] as NodeId]).writes)
  await expect(new StateStore(storage).of(roomId).whole(root)).rejects.toThrow('lacks its state node')
})

/** Counts what a reader is asked for. */
class CountedReads {
  nodes = 0
  readonly states: DraftStates

  constructor(stored: StoredStates) {
    this.states = new DraftStates(stored)
    const { states } = this
    const read = states.nodes.bind(states)
    states.nodes = async (ids: readonly NodeId[]): Promise<readonly TrieNode[]> => {
      this.nodes += ids.length
      return read(ids)
    }
  }
}

test('in a room of ten thousand members a change writes, and a difference reads, a handful of nodes', async () => {
  const counted = new CountedReads(new StateStore(openMemoryStorage()).of(roomId))
  const { states } = counted
  const members = Array.from({ length: 10_000 }, (_, index) => [index, 0] as const)
  const root = await states.change(EMPTY_STATE, deltaOf(members))
  const before = states.created.size
  const one = await states.change(root, deltaOf([[77, 1]]))
  expect(states.created.size - before).toBeLessThanOrEqual(4)
  const other = await states.change(root, deltaOf([[4711, 2]]))
  counted.nodes = 0
  expect((await states.difference(one, other)).size).toBe(2)
  expect(counted.nodes).toBeLessThanOrEqual(16)
})
