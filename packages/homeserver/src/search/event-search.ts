import type { RoomId, UserId } from '@kith/matrix-protocol'
import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import { withoutIgnored } from '../accounts/ignored-users.ts'
import { limits } from '../limits.ts'
import type { SearchField, SearchHit, SearchIndex, SearchPlace } from '../ports/index.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import type { Visibility } from '../sync/visibility.ts'
import type { SearchIndexer } from './search-indexer.ts'

export interface EventSearchParts {
  readonly index: SearchIndex
  readonly indexer: SearchIndexer
  readonly rooms: Rooms
  readonly visibility: Visibility
  readonly ignoredUsers: IgnoredUsers
}

export interface EventSearchInput {
  readonly userId: UserId
  readonly words: readonly string[]
  readonly fields: readonly SearchField[]
  readonly roomIds: readonly RoomId[]
  readonly sender: string | undefined
  readonly order: 'recent' | 'rank'
  readonly after: SearchPlace | undefined
  readonly limit: number
  accepts(event: StoredEvent): boolean
}

export interface EventHit {
  readonly event: StoredEvent
  readonly rank: number
}

export interface EventSearchPage {
  readonly hits: readonly EventHit[]
  /** Where the next page goes on; absent when there is none. */
  readonly next: SearchPlace | undefined
  /** How many events from `after` on the user may see, as far as was looked. Nothing here tells of others. */
  readonly count: number
}

/** Searches in the messages that a user may read. */
export class EventSearch {
  readonly #parts: EventSearchParts

  constructor(parts: EventSearchParts) {
    this.#parts = parts
  }

  /** Waits until the index holds what is committed. What cannot be indexed now, on a full disk, is not found yet: no reason to find nothing. */
  async catchUp(): Promise<void> {
    await this.#parts.indexer.catchUp().catch(() => undefined)
  }

  async search(input: EventSearchInput): Promise<EventSearchPage> {
    const { searchCandidatesMax, searchCandidatesPerReadMax } = limits.implementation
    const { words, fields, roomIds, sender, order } = input
    const query = { words, fields, roomIds, order, limit: searchCandidatesPerReadMax, ...(sender === undefined ? {} : { sender }) }
    const hits: EventHit[] = []
    let count = 0
    let next: SearchPlace | undefined
    let after = input.after
    for (let looked = 0; looked < searchCandidatesMax; looked += searchCandidatesPerReadMax) {
      const candidates = await this.#parts.index.search(after === undefined ? query : { ...query, after })
      for (const { event, hit } of await this.#shown(candidates, input)) {
        count++
        if (hits.length < input.limit) hits.push({ event, rank: hit.rank })
        else next ??= placeOf(hits.at(-1), order)
      }
      const last = candidates.at(-1)
      if (last === undefined || candidates.length < searchCandidatesPerReadMax) return { hits, next, count }
      after = { value: order === 'recent' ? last.timestamp : last.rank, eventId: last.eventId }
    }
    return { hits, next: next ?? after, count }
  }

  /** The index may be behind: what it names is looked at as it is now. */
  async #shown(candidates: readonly SearchHit[], input: EventSearchInput): Promise<{ event: StoredEvent; hit: SearchHit }[]> {
    const { rooms, visibility, ignoredUsers } = this.#parts
    const events = await rooms.events(candidates.map(({ eventId }) => eventId as StoredEvent['eventId']))
    const readable = new Set(input.roomIds)
    const able = events.filter((event) => event !== undefined).filter((event) => isFound(event, readable, input))
    const heard = withoutIgnored(able, await ignoredUsers.of(input.userId))
    const shown = new Map((await visibility.filter(heard, input.userId)).map((event) => [event.eventId as string, event]))
    return candidates.flatMap((hit) => {
      const event = shown.get(hit.eventId)
      return event === undefined ? [] : [{ event, hit }]
    })
  }
}

function isFound(event: StoredEvent, readable: ReadonlySet<RoomId>, input: EventSearchInput): boolean {
  return event.redactedBy === undefined && readable.has(event.roomId) && input.accepts(event)
}

function placeOf(last: EventHit | undefined, order: 'recent' | 'rank'): SearchPlace | undefined {
  if (last === undefined) return undefined
  return { value: order === 'recent' ? last.event.pdu.origin_server_ts : last.rank, eventId: last.event.eventId }
}
