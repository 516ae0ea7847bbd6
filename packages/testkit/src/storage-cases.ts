import type { Key, Storage, StoredValue, Table } from '@kith/homeserver/ports'
import type { FaultPoint } from '@kith/storage/memory'
import { assertEqual, assertRejects } from './assertions.ts'
import { storageProperties } from './storage-properties.ts'

/** Opens the engine under test on the data of `place`; after disposal, opening the same place again is a restart. */
export type OpenStorage = (place: string, faultPoint?: FaultPoint) => Promise<Storage>

export interface StorageCase {
  readonly name: string
  readonly run: (open: OpenStorage, place: string) => Promise<void>
}

export const suiteTables = {
  first: { name: 'suite.first' } as Table<Key, StoredValue>,
  second: { name: 'suite.second' } as Table<Key, StoredValue>,
} as const

export const suiteTableNames: readonly string[] = [suiteTables.first.name, suiteTables.second.name]

const { first, second } = suiteTables

/** Keys in the order that the port promises, with every trap an encoding may fall into. */
const orderedKeys: readonly Key[] = [
  [],
  [0],
  [0, 0],
  [0, ''],
  [1],
  [255],
  [256],
  [256, 'a'],
  [65_536],
  [2 ** 32],
  [Number.MAX_SAFE_INTEGER],
  [''],
  ['', 0],
  ['', ''],
  ['\u0000'],
  ['\u0000', 1],
  ['\u0000\u0000'],
  ['\u0000\u0001'],
  ['\u0001'],
  ['\u0001\u0000'],
  ['\u0002'],
  ['a'],
  ['a', 0],
  ['a', 1],
  ['a', 'a'],
  ['a', 'a', 'a'],
  ['a', 'b'],
  ['a\u0000'],
  ['a\u0000', 0],
  ['aa'],
  ['b'],
  ['\u007f'],
  ['\u0080'],
  ['\u07ff'],
  ['\u0800'],
  ['\ud7ff'],
  ['\u{10000}'],
  ['\u{1f600}', 'x'],
  ['\u{10ffff}'],
  // A code point below the astral ones, yet a code unit above their surrogates.
  ['\uffff'],
]

async function fill(storage: Storage, keys: readonly Key[]): Promise<void> {
  await storage.commit(keys.map((key, index) => ({ kind: 'put', table: first.name, key, value: index })))
}

async function readKeys(storage: Storage, query: Omit<Parameters<Storage['range']>[1], 'limit'>): Promise<Key[]> {
  const entries = await storage.range(first, { ...query, limit: 1000 })
  return entries.map((entry) => entry.key)
}

const basics: readonly StorageCase[] = [
  {
    name: 'a value is what was put, until it is deleted',
    async run(open, place) {
      await using storage = await open(place)
      const values: StoredValue[] = [{ a: [1, 'two', null, { b: true }] }, [], 'text', 0, false, 1.5, new Uint8Array([0, 255, 7])]
      for (const value of values) {
        await storage.commit([{ kind: 'put', table: first.name, key: ['k'], value }])
        assertEqual(await storage.get(first, ['k']), value)
      }
      await storage.commit([{ kind: 'delete', table: first.name, key: ['k'] }])
      assertEqual(await storage.get(first, ['k']), undefined)
      assertEqual(await storage.get(second, ['k']), undefined)
    },
  },
  {
    name: 'members named like the prototype survive and undefined members vanish',
    async run(open, place) {
      await using storage = await open(place)
      const hostile = JSON.parse('{"__proto__": {"x": 1}, "constructor": 2}') as object
      await storage.commit([
        { kind: 'put', table: first.name, key: ['hostile'], value: hostile },
        { kind: 'put', table: first.name, key: ['undefined'], value: { a: undefined, b: 1 } },
      ])
      assertEqual(JSON.stringify(await storage.get(first, ['hostile'])), JSON.stringify(hostile))
      assertEqual(JSON.stringify(await storage.get(first, ['undefined'])), '{"b":1}')
    },
  },
  {
    name: 'what was given to a commit may change afterwards without effect',
    async run(open, place) {
      await using storage = await open(place)
      const bytes = new Uint8Array([1])
      const value = { list: [1] }
      const key: [string] = ['before']
      const commit = storage.commit([
        { kind: 'put', table: first.name, key, value },
        { kind: 'put', table: second.name, key: ['bytes'], value: bytes },
      ])
      value.list.push(2)
      bytes[0] = 2
      key[0] = 'after'
      await commit
      assertEqual(await storage.get(first, ['before']), { list: [1] })
      assertEqual(await storage.get(second, ['bytes']), new Uint8Array([1]))
    },
  },
  {
    name: 'the last write to a key wins inside a commit',
    async run(open, place) {
      await using storage = await open(place)
      await storage.commit([
        { kind: 'put', table: first.name, key: ['k'], value: 1 },
        { kind: 'delete', table: first.name, key: ['k'] },
        { kind: 'put', table: first.name, key: ['k'], value: 2 },
        { kind: 'put', table: first.name, key: ['gone'], value: 1 },
        { kind: 'delete', table: first.name, key: ['gone'] },
      ])
      assertEqual(await storage.getMany(first, [['gone'], ['k'], ['k'], ['never']]), [undefined, 2, 2, undefined])
      await storage.commit([])
    },
  },
  {
    name: 'values up to a megabyte survive',
    async run(open, place) {
      await using storage = await open(place)
      const text = 'é'.repeat(500_000)
      const bytes = new Uint8Array(1_000_000).fill(170)
      await storage.commit([
        { kind: 'put', table: first.name, key: ['text'], value: text },
        { kind: 'put', table: first.name, key: ['bytes'], value: bytes },
      ])
      assertEqual(await storage.get(first, ['text']), text)
      assertEqual(await storage.get(first, ['bytes']), bytes)
    },
  },
]

const ordering: readonly StorageCase[] = [
  {
    name: 'keys order by part: numbers, then strings by code unit, shorter first',
    async run(open, place) {
      await using storage = await open(place)
      await fill(storage, orderedKeys.toReversed())
      assertEqual(await readKeys(storage, {}), orderedKeys)
      assertEqual(await readKeys(storage, { reverse: true }), orderedKeys.toReversed())
    },
  },
  {
    name: 'after and before are exclusive and may be keys that do not exist',
    async run(open, place) {
      await using storage = await open(place)
      await fill(storage, orderedKeys)
      for (const [index, key] of orderedKeys.entries()) {
        assertEqual(await readKeys(storage, { after: key }), orderedKeys.slice(index + 1))
        assertEqual(await readKeys(storage, { before: key }), orderedKeys.slice(0, index))
        assertEqual(await readKeys(storage, { before: key, after: key }), [])
      }
      assertEqual(await readKeys(storage, { after: ['a', 0, 0], before: ['a', 'a', 'b'] }), [
        ['a', 1],
        ['a', 'a'],
        ['a', 'a', 'a'],
      ])
      assertEqual(await readKeys(storage, { after: ['b'], before: ['a'] }), [])
    },
  },
  {
    name: 'a prefix bounds a range, together with after and before',
    async run(open, place) {
      await using storage = await open(place)
      await fill(storage, orderedKeys)
      const below = orderedKeys.filter((key) => key[0] === 'a')
      assertEqual(await readKeys(storage, { prefix: ['a'] }), below)
      assertEqual(await readKeys(storage, { prefix: ['a'], reverse: true }), below.toReversed())
      assertEqual(await readKeys(storage, { prefix: ['a'], after: ['a'] }), below.slice(1))
      assertEqual(await readKeys(storage, { prefix: ['a'], after: [0] }), below)
      assertEqual(await readKeys(storage, { prefix: ['a'], after: ['b'] }), [])
      assertEqual(await readKeys(storage, { prefix: ['a'], before: ['a', 'a'] }), below.slice(0, 3))
      assertEqual(await readKeys(storage, { prefix: ['a'], before: ['b'] }), below)
      assertEqual(await readKeys(storage, { prefix: ['a'], before: [0] }), [])
      assertEqual(await readKeys(storage, { prefix: ['a', 'a'], after: ['a', 'a'], reverse: true }), [['a', 'a', 'a']])
      assertEqual(await readKeys(storage, { prefix: ['nothing'] }), [])
      assertEqual(await readKeys(storage, { prefix: [] }), orderedKeys)
    },
  },
  {
    name: 'a limit takes from the end where reading begins',
    async run(open, place) {
      await using storage = await open(place)
      await fill(storage, [[1], [2], [3]])
      const read = async (limit: number, reverse: boolean): Promise<unknown> =>
        (await storage.range(first, { limit, reverse })).map((entry) => [entry.key[0], entry.value])
      assertEqual(await read(0, false), [])
      assertEqual(await read(2, false), [
        [1, 0],
        [2, 1],
      ])
      assertEqual(await read(2, true), [
        [3, 2],
        [2, 1],
      ])
    },
  },
  {
    name: 'keys that the port does not allow are refused, and leave nothing behind',
    async run(open, place) {
      await using storage = await open(place)
      for (const part of [-1, 0.5, Number.NaN, 2 ** 53]) {
        await assertRejects(async () => storage.get(first, [part]))
        await assertRejects(async () =>
          storage.commit([
            { kind: 'put', table: first.name, key: ['good'], value: 1 },
            { kind: 'put', table: first.name, key: [part], value: 1 },
          ]),
        )
      }
      await assertRejects(async () => storage.range(first, { limit: Number.POSITIVE_INFINITY }))
      await assertRejects(async () =>
        storage.commit([{ kind: 'put', table: first.name, key: ['good'], value: { nested: new Uint8Array(1) } }]),
      )
      await assertRejects(async () => storage.commit([{ kind: 'put', table: first.name, key: ['good'], value: Number.NaN }]))
      assertEqual(await readKeys(storage, {}), [])
    },
  },
]

const commits: readonly StorageCase[] = [
  {
    name: 'commits issued together become visible in the order of the calls',
    async run(open, place) {
      await using storage = await open(place)
      const settled: number[] = []
      const all = Array.from({ length: 300 }, async (_, index) => {
        await storage.commit([
          { kind: 'put', table: first.name, key: ['last'], value: index },
          { kind: 'put', table: second.name, key: [index], value: index },
        ])
        settled.push(index)
        const last = await storage.get(first, ['last'])
        if (typeof last !== 'number' || last < index) throw new Error('a read after a commit did not see it')
      })
      await Promise.all(all)
      assertEqual(
        settled,
        settled.toSorted((a, b) => a - b),
      )
      assertEqual(await storage.get(first, ['last']), 299)
      assertEqual((await storage.range(second, { limit: 1000 })).length, 300)
    },
  },
  {
    name: 'a commit that fails does not fail its neighbours',
    async run(open, place) {
      let armed = false
      let writes = 0
      await using storage = await open(place, (operation) => {
        if (operation === 'write') writes++
        if (armed && operation === 'write') throw new Error('planted')
      })
      const outcomes = await Promise.allSettled([
        storage.commit([{ kind: 'put', table: first.name, key: ['a'], value: 1 }]),
        storage.commit([
          { kind: 'put', table: first.name, key: ['b'], value: 1 },
          { kind: 'put', table: 'no such table', key: ['b'], value: 1 },
        ]),
        storage.commit([{ kind: 'put', table: first.name, key: ['c'], value: 1 }]),
      ])
      armed = true
      await assertRejects(async () => storage.commit([{ kind: 'put', table: first.name, key: ['d'], value: 1 }]))
      armed = false
      assertEqual([outcomes[0].status, outcomes[1].status, outcomes[2].status], ['fulfilled', 'rejected', 'fulfilled'])
      assertEqual(await readKeys(storage, {}), [['a'], ['c']])
      assertEqual(writes > 0, true)
    },
  },
  {
    name: 'what was committed is there after a restart',
    async run(open, place) {
      {
        await using storage = await open(place)
        await fill(storage, orderedKeys)
        await storage.commit([{ kind: 'delete', table: first.name, key: [] }])
      }
      await using storage = await open(place)
      assertEqual(await readKeys(storage, {}), orderedKeys.slice(1))
    },
  },
  {
    name: 'closing settles the commits already issued and refuses later ones',
    async run(open, place) {
      const storage = await open(place)
      const commit = storage.commit([{ kind: 'put', table: first.name, key: ['k'], value: 1 }])
      await storage[Symbol.asyncDispose]()
      await commit
      await assertRejects(async () => storage.commit([{ kind: 'put', table: first.name, key: ['late'], value: 1 }]))
      await assertRejects(async () => storage.get(first, ['k']))
      await storage[Symbol.asyncDispose]()
      await using again = await open(place)
      assertEqual(await readKeys(again, {}), [['k']])
    },
  },
]

export const storageCases: readonly StorageCase[] = [...basics, ...ordering, ...commits, ...storageProperties(suiteTables)]
