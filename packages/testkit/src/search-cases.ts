import type { SearchDocument, SearchField, SearchHit, SearchIndex, SearchQuery } from '@kith/homeserver/ports'
import fc from 'fast-check'
import { assertEqual, assertRejects } from './assertions.ts'

/** Opens the engine under test on the data of `place`; after disposal, opening the same place again is a restart. */
export type OpenSearchIndex = (place: string) => Promise<SearchIndex>

export interface SearchCase {
  readonly name: string
  readonly run: (open: OpenSearchIndex, place: string) => Promise<void>
}

const fields: readonly SearchField[] = ['content.body', 'content.name', 'content.topic']
const roomIds = ['!a:x', '!b:x']
const senders = ['@u:x', '@v:x']
/** Of several scripts, and with what an index could take for syntax. */
const alphabet = ['a', 'b', 'ab', 'and', 'or', 'not', 'near', '7', 'été', 'и', '猫', 'नमस्ते', '𝒳', 'straße']

const document = fc.record({
  eventId: fc.constantFrom('$1', '$2', '$3', '$4', '$5', '$6'),
  roomId: fc.constantFrom(...roomIds),
  sender: fc.constantFrom(...senders),
  field: fc.constantFrom(...fields),
  words: fc.array(fc.constantFrom(...alphabet), { minLength: 1, maxLength: 6 }),
  timestamp: fc.nat({ max: 3 }),
})

const change = fc.record({
  put: fc.uniqueArray(document, { maxLength: 4, selector: ({ eventId }) => eventId }),
  remove: fc.array(fc.constantFrom('$1', '$2', '$3', '$9'), { maxLength: 2 }),
})

const query = fc.record(
  {
    words: fc.uniqueArray(fc.constantFrom(...alphabet, 'absent'), { maxLength: 3 }),
    fields: fc.subarray([...fields]),
    roomIds: fc.subarray([...roomIds, '!other:x']),
    sender: fc.constantFrom(...senders),
    order: fc.constantFrom('recent' as const, 'rank' as const),
    limit: fc.integer({ min: 1, max: 3 }),
  },
  { requiredKeys: ['words', 'fields', 'roomIds', 'order', 'limit'] },
)

const everywhere = { fields, roomIds, order: 'recent', limit: 100 } as const

const one: SearchDocument = {
  eventId: '$1',
  roomId: '!a:x',
  sender: '@u:x',
  field: 'content.body',
  words: ['tea', 'and', 'tea'],
  timestamp: 5,
}

export const searchCases: readonly SearchCase[] = [
  {
    name: 'after any changes a search finds what a look at every document finds, in order, each once over all pages',
    async run(open, place) {
      let run = 0
      await fc.assert(
        fc.asyncProperty(fc.array(change, { maxLength: 6 }), fc.array(query, { minLength: 1, maxLength: 5 }), async (changes, queries) => {
          await using index = await open(`${place}-${run++}`)
          const documents = new Map<string, SearchDocument>()
          for (const [position, { put, remove }] of changes.entries()) {
            await index.apply({ put, remove, upTo: position + 1 })
            for (const eventId of remove) documents.delete(eventId)
            for (const found of put) documents.set(found.eventId, found)
          }
          assertEqual(await index.position(), changes.length)
          for (const wanted of queries) await compare(index, wanted, [...documents.values()])
        }),
        { numRuns: 60 },
      )
    },
  },
  {
    name: 'a restart keeps the documents and the position',
    async run(open, place) {
      {
        await using index = await open(place)
        await index.apply({ put: [one], remove: [], upTo: 7 })
      }
      await using again = await open(place)
      assertEqual(await again.position(), 7)
      assertEqual(idsOf(await again.search({ ...everywhere, words: ['tea'] })), ['$1'])
    },
  },
  {
    name: 'changes that fail leave nothing behind, and no position',
    async run(open, place) {
      await using index = await open(place)
      await index.apply({ put: [one], remove: [], upTo: 1 })
      const broken = { ...one, eventId: '$3', timestamp: undefined as unknown as number }
      const put = [{ ...one, eventId: '$2' }, broken]
      await assertRejects(async () => index.apply({ put, remove: ['$1'], upTo: 2 }))
      assertEqual(await index.position(), 1)
      assertEqual(idsOf(await index.search({ ...everywhere, words: ['tea'] })), ['$1'])
      await index.apply({ put: [{ ...one, eventId: '$2' }], remove: ['$1'], upTo: 2 })
      assertEqual(idsOf(await index.search({ ...everywhere, words: ['tea'] })), ['$2'])
    },
  },
  {
    name: 'what is said more often ranks higher',
    async run(open, place) {
      await using index = await open(place)
      const put = [one, { ...one, eventId: '$2', words: ['tea', 'and', 'milk'] }, { ...one, eventId: '$3', words: ['milk'] }]
      await index.apply({ put, remove: [], upTo: 1 })
      assertEqual(idsOf(await index.search({ ...everywhere, words: ['tea'], order: 'rank' })), ['$1', '$2'])
    },
  },
  {
    name: 'what was cleared is gone with the position',
    async run(open, place) {
      await using index = await open(place)
      await index.apply({ put: [one], remove: [], upTo: 9 })
      await index.clear()
      assertEqual(await index.position(), 0)
      assertEqual(await index.search({ ...everywhere, words: ['tea'] }), [])
    },
  },
]

async function compare(index: SearchIndex, wanted: SearchQuery, documents: readonly SearchDocument[]): Promise<void> {
  const found: SearchHit[] = []
  for (let after: SearchQuery['after']; ;) {
    const page = await index.search(after === undefined ? wanted : { ...wanted, after })
    found.push(...page)
    const last = page.at(-1)
    if (last === undefined) break
    after = { value: wanted.order === 'recent' ? last.timestamp : last.rank, eventId: last.eventId }
  }
  assertEqual(idsOf(found).toSorted(), naiveSearch(documents, wanted).toSorted())
  const order = found.map((hit) => [wanted.order === 'recent' ? hit.timestamp : hit.rank, hit.eventId] as const)
  const sorted = order.toSorted(([a, idA], [b, idB]) => b - a || (idA < idB ? 1 : -1))
  assertEqual(order, sorted)
}

/** What a search should find: too simple to be wrong. */
function naiveSearch(documents: readonly SearchDocument[], wanted: SearchQuery): string[] {
  if (wanted.words.length === 0) return []
  const matching = documents.filter(
    ({ words, field, roomId, sender }) =>
      wanted.words.every((word) => words.includes(word)) &&
      wanted.fields.includes(field) &&
      wanted.roomIds.includes(roomId) &&
      (wanted.sender === undefined || wanted.sender === sender),
  )
  return matching.map(({ eventId }) => eventId)
}

function idsOf(hits: readonly SearchHit[]): string[] {
  return hits.map(({ eventId }) => eventId)
}
