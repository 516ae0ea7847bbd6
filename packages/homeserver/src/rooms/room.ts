import { type AuthContext, type AuthEvent, createEventIdOf, type EventId, type RoomId, type RoomVersion } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { RoomActivity } from './room-activity.ts'
import type { IndexedState } from './room-state.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import type { RoomRow } from './tables.ts'

/**
 * A room in memory, always as committed: only applying a committed draft changes it.
 */
export class Room {
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly state: IndexedState
  row: RoomRow
  /** Targets of redactions that came before them, with those redactions. */
  readonly pendingRedactions: Map<EventId, Set<EventId>>
  /** Events that are not here, with the events of the room that follow them. */
  readonly gaps: Map<EventId, Set<EventId>>
  /** States that came out of resolving others, by the names of those. */
  readonly resolutions = new BoundedCache<string, StateRoot>(limits.implementation.resolutionsRememberedPerRoomMax, () => 1)

  constructor(roomId: RoomId, version: RoomVersion, row: RoomRow, state: IndexedState, waiting: Waiting = nothingWaits()) {
    this.roomId = roomId
    this.version = version
    this.row = row
    this.state = state
    this.pendingRedactions = waiting.pendingRedactions
    this.gaps = waiting.gaps
    if (row.partial !== undefined) state.assumeJoined(row.partial.servers)
  }

  get activity(): RoomActivity {
    const { changedAt = 0, bumpedAt, state } = this.row
    return { changedAt, bumpedAt, snapshot: state }
  }

  /** Beyond the limit nothing is remembered, and an event behind the gap will count as new when it comes. */
  rememberGap(missing: EventId, successor: EventId): void {
    const successors = this.gaps.get(missing)
    if (successors !== undefined) successors.add(successor)
    else if (this.gaps.size < limits.implementation.gapsPerRoomMax) this.gaps.set(missing, new Set([successor]))
  }
}

/** What a room waits for. */
export interface Waiting {
  readonly pendingRedactions: Map<EventId, Set<EventId>>
  readonly gaps: Map<EventId, Set<EventId>>
}

export function nothingWaits(): Waiting {
  return { pendingRedactions: new Map(), gaps: new Map() }
}

export function toAuthEvent(event: StoredEvent): AuthEvent {
  return { eventId: event.eventId, pdu: event.forAuth ?? event.pdu, rejected: event.status === 'rejected' }
}

/** The create event comes from the room id where the version says so, and from the state otherwise. */
export async function authContextOf(
  roomId: RoomId,
  version: RoomVersion,
  find: (eventId: EventId) => Promise<StoredEvent | undefined>,
): Promise<AuthContext> {
  if (!version.roomIdIsCreateEvent) return { createEvent: undefined }
  const createEvent = await find(createEventIdOf(roomId))
  return { createEvent: createEvent === undefined ? undefined : toAuthEvent(createEvent) }
}
