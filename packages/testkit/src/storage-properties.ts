import type { Key, KeyPart, RangeQuery, Storage, StoredValue, Table, Write } from '@kith/homeserver/ports'
import { openMemoryStorage } from '@kith/storage/memory'
import fc from 'fast-check'
import { assertEqual } from './assertions.ts'
import type { OpenStorage, StorageCase } from './storage-cases.ts'

interface SuiteTables {
  readonly first: Table<Key, StoredValue>
  readonly second: Table<Key, StoredValue>
}

type Command =
  | { readonly kind: 'commit'; readonly commits: readonly (readonly Write[])[] }
  | { readonly kind: 'get'; readonly table: 'first' | 'second'; readonly keys: readonly Key[] }
  | { readonly kind: 'range'; readonly table: 'first' | 'second'; readonly query: RangeQuery }
  | { readonly kind: 'reopen' }

const keyPart: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.constantFrom<KeyPart>(0, 1, 2, 'a', 'b', ''),
  fc.maxSafeNat(),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const key: fc.Arbitrary<Key> = fc.array(keyPart, { maxLength: 3 })
const value: fc.Arbitrary<StoredValue> = fc.oneof(
  fc
    .jsonValue({ maxDepth: 2 })
    .filter((json): json is NonNullable<typeof json> => json !== null && !hasNegativeZero(json)) as fc.Arbitrary<StoredValue>,
  fc.uint8Array({ maxLength: 20 }),
)
const tableName = fc.constantFrom('first' as const, 'second' as const)

/** JSON text has no negative zero, so an engine that stores text cannot give it back; no part of Kith stores one. */
function hasNegativeZero(json: unknown): boolean {
  if (typeof json === 'object' && json !== null) return Object.values(json).some(hasNegativeZero)
  return Object.is(json, -0)
}

function commandsFor(tables: SuiteTables): fc.Arbitrary<Command[]> {
  const write: fc.Arbitrary<Write> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('put' as const), table: tableName.map((name) => tables[name].name), key, value }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), table: tableName.map((name) => tables[name].name), key }) },
  )
  const query: fc.Arbitrary<RangeQuery> = fc.record(
    { prefix: key, after: key, before: key, reverse: fc.boolean(), limit: fc.nat({ max: 20 }) },
    { requiredKeys: ['limit'] },
  )
  const command: fc.Arbitrary<Command> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        commits: fc.array(fc.array(write, { maxLength: 8 }), { maxLength: 4 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('get' as const), table: tableName, keys: fc.array(key, { maxLength: 5 }) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('range' as const), table: tableName, query }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  )
  return fc.array(command, { maxLength: 20 })
}

async function dump(storage: Storage, tables: SuiteTables): Promise<unknown> {
  return Promise.all([storage.range(tables.first, { limit: 1000 }), storage.range(tables.second, { limit: 1000 })])
}

/** Runs the commands on the engine and on the memory engine, comparing every answer and the end. */
async function compareWithMemory(open: OpenStorage, place: string, tables: SuiteTables, commands: readonly Command[]): Promise<void> {
  await using memory = openMemoryStorage()
  let storage = await open(place)
  try {
    for (const command of commands) {
      if (command.kind === 'commit') {
        await Promise.all(command.commits.flatMap((writes) => [storage.commit(writes), memory.commit(writes)]))
      } else if (command.kind === 'get') {
        assertEqual(await storage.getMany(tables[command.table], command.keys), await memory.getMany(tables[command.table], command.keys))
      } else if (command.kind === 'range') {
        assertEqual(await storage.range(tables[command.table], command.query), await memory.range(tables[command.table], command.query))
      } else {
        await storage[Symbol.asyncDispose]()
        storage = await open(place)
      }
    }
    assertEqual(await dump(storage, tables), await dump(memory, tables))
  } finally {
    await storage[Symbol.asyncDispose]()
  }
}

/** Three commits at once with the n-th operation failing; returns whether that operation was reached. */
async function failNthOperation(open: OpenStorage, place: string, tables: SuiteTables, nth: number): Promise<boolean> {
  let count = 0
  let reached = false
  const groups: Write[][] = [0, 1, 2].map((commit) =>
    [0, 1, 2].map((index) => ({
      kind: 'put',
      table: index === 1 ? tables.second.name : tables.first.name,
      key: [commit, index],
      value: nth,
    })),
  )
  const outcomes = await (async () => {
    await using storage = await open(place, () => {
      if (++count !== nth) return
      reached = true
      throw new Error('planted')
    })
    return Promise.allSettled(groups.map(async (writes) => storage.commit(writes)))
  })()
  await using reopened = await open(place)
  const entries = [...(await reopened.range(tables.first, { limit: 100 })), ...(await reopened.range(tables.second, { limit: 100 }))]
  for (const [commit, outcome] of outcomes.entries()) {
    const stored = entries.filter((entry) => entry.key[0] === commit && entry.value === nth).length
    assertEqual(stored, outcome.status === 'fulfilled' ? 3 : 0)
  }
  await reopened.commit(
    entries.flatMap((entry) =>
      [tables.first, tables.second].map((table) => ({ kind: 'delete' as const, table: table.name, key: entry.key })),
    ),
  )
  return reached
}

export function storageProperties(tables: SuiteTables): readonly StorageCase[] {
  return [
    {
      name: 'random commands give the same answers as the memory engine',
      async run(open, place) {
        let run = 0
        await fc.assert(
          fc.asyncProperty(commandsFor(tables), async (commands) => compareWithMemory(open, `${place}-${run++}`, tables, commands)),
          { numRuns: 60 },
        )
      },
    },
    {
      name: 'whichever operation fails, a commit is there whole when it resolved and not at all when it did not',
      async run(open, place) {
        let nth = 1
        while (await failNthOperation(open, place, tables, nth)) nth++
        if (nth < 10) throw new Error('the engine does not report its operations')
      },
    },
  ]
}
