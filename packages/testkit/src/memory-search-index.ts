import type { SearchChanges, SearchDocument, SearchHit, SearchIndex, SearchQuery } from '@kith/homeserver/ports'

/** What outlives a memory index: opening it again is a restart. */
export class SearchDisk {
  documents: ReadonlyMap<string, SearchDocument> = new Map()
  position = 0
}

/** The search port by looking at every document: too simple to be wrong, for tests. */
export class MemorySearchIndex implements SearchIndex {
  readonly #disk: SearchDisk
  /** Makes the next `apply` fail. */
  faultPoint: (() => void) | undefined

  constructor(disk = new SearchDisk()) {
    this.#disk = disk
  }

  async position(): Promise<number> {
    return this.#disk.position
  }

  async apply({ put, remove, upTo }: SearchChanges): Promise<void> {
    this.faultPoint?.()
    const documents = new Map(this.#disk.documents)
    for (const eventId of remove) documents.delete(eventId)
    for (const document of put) {
      if (!Number.isSafeInteger(document.timestamp)) throw new TypeError('a timestamp is a number')
      documents.set(document.eventId, document)
    }
    this.#disk.documents = documents
    this.#disk.position = upTo
  }

  async search({ words, fields, roomIds, sender, order, after, limit }: SearchQuery): Promise<SearchHit[]> {
    if (words.length === 0) return []
    const matching = [...this.#disk.documents.values()].filter(
      (document) =>
        words.every((word) => document.words.includes(word)) &&
        fields.includes(document.field) &&
        roomIds.includes(document.roomId) &&
        (sender === undefined || sender === document.sender),
    )
    const valueOf = (hit: SearchHit): number => (order === 'recent' ? hit.timestamp : hit.rank)
    const hits = matching
      .map(({ eventId, timestamp, words: own }) => ({
        eventId,
        timestamp,
        rank: own.filter((word) => words.includes(word)).length / own.length,
      }))
      .sort((a, b) => valueOf(b) - valueOf(a) || (a.eventId < b.eventId ? 1 : -1))
    const behind = hits.filter(
      (hit) => after === undefined || valueOf(hit) < after.value || (valueOf(hit) === after.value && hit.eventId < after.eventId),
    )
    return behind.slice(0, limit)
  }

  async clear(): Promise<void> {
    this.#disk.documents = new Map()
    this.#disk.position = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What it holds is the disk's.
  }
}
