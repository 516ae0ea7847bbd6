import { type AuthContext, type AuthEvent, createEventIdOf, type EventId, type RoomId, type RoomVersion } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { IndexedState } from './room-state.ts'
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
  /** Snapshots that came out of resolving others, by the ids of those. */
  readonly resolutions = new BoundedCache<string, number>(limits.implementation.resolutionsRememberedPerRoomMax, () => 1)

  constructor(
    roomId: RoomId,
    version: RoomVersion,
    row: RoomRow,
    state: IndexedState,
    pendingRedactions = new Map<EventId, Set<EventId>>(),
  ) {
    this.roomId = roomId
    this.version = version
    this.row = row
    this.state = state
    this.pendingRedactions = pendingRedactions
  }
}

export function toAuthEvent(event: StoredEvent): AuthEvent {
  return { eventId: event.eventId, pdu: event.pdu, rejected: event.status === 'rejected' }
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
