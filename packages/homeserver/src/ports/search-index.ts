/**
 * A durable full-text index of the events that people wrote, kept beside the storage and filled from its stream.
 *
 * Invariants that every engine keeps (see testkit's search suite):
 * 1. `apply` is atomic and durable: its changes and its position are there together, or neither is.
 * 2. A search finds exactly the documents with all of the words, in the given fields and rooms, each once over all pages.
 * 3. An event has at most one document: a later one takes the place of the earlier.
 */
export interface SearchIndex extends AsyncDisposable {
  /** Everything up to this position of the stream has been applied; 0 for an index that is new. */
  position(): Promise<number>
  apply(changes: SearchChanges): Promise<void>
  search(query: SearchQuery): Promise<SearchHit[]>
  /** Forgets everything, the position too. */
  clear(): Promise<void>
}

export type SearchField = 'content.body' | 'content.name' | 'content.topic'

export interface SearchDocument {
  readonly eventId: string
  readonly roomId: string
  readonly sender: string
  readonly field: SearchField
  /** Normalised by the caller: letters, digits and marks only. May repeat. */
  readonly words: readonly string[]
  /** ms */
  readonly timestamp: number
}

export interface SearchChanges {
  readonly put: readonly SearchDocument[]
  /** Ids of events, also of those that have no document. */
  readonly remove: readonly string[]
  readonly upTo: number
}

export interface SearchQuery {
  /** A document must have them all. An empty list finds nothing. */
  readonly words: readonly string[]
  readonly fields: readonly SearchField[]
  readonly roomIds: readonly string[]
  readonly sender?: string
  /** By time, the latest first; or by how well they match, the best first. */
  readonly order: 'recent' | 'rank'
  /** Only what comes behind this one in that order. */
  readonly after?: SearchPlace
  readonly limit: number
}

/** Where a hit stands in the order of its query. */
export interface SearchPlace {
  /** The timestamp, or the rank. */
  readonly value: number
  readonly eventId: string
}

export interface SearchHit {
  readonly eventId: string
  readonly timestamp: number
  /** Higher is better; says nothing between engines. */
  readonly rank: number
}
