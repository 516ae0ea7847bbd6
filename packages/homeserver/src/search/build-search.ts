import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import type { Ports } from '../ports/index.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Visibility } from '../sync/visibility.ts'
import type { Timeline } from '../timeline/index.ts'
import { EventSearch } from './event-search.ts'
import { SearchIndexer } from './search-indexer.ts'

interface SearchParts {
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly visibility: Visibility
  readonly ignoredUsers: IgnoredUsers
}

/** Search, with what fills its index until it is disposed. Undefined without an index. */
export function buildSearch(ports: Ports, parts: SearchParts, opened: AsyncDisposableStack): EventSearch | undefined {
  const { searchIndex: index, clock, log } = ports
  if (index === undefined) return undefined
  const { timeline, rooms, visibility, ignoredUsers } = parts
  const indexer = opened.use(new SearchIndexer({ index, timeline, rooms, clock, log }))
  indexer.start()
  return new EventSearch({ index, indexer, rooms, visibility, ignoredUsers })
}
