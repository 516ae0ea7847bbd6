import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'
import type { StoredInvite } from './outcomes.ts'
import type { StoredEvent } from './stored-event.ts'

/** What a room is, apart from its events. A room exists here from the commit that writes this row. */
export interface RoomRow {
  readonly version: string
  readonly extremities: readonly EventId[]
  /** The snapshot of the current state. */
  readonly snapshot: number
  /** The next free snapshot id of this room. */
  readonly nextSnapshot: number
  /** The greatest depth in the room's history. */
  readonly depth: number
}

export interface HistoryRow {
  readonly eventId: EventId
  /** Stream position; absent for backfilled events. */
  readonly position?: number
}

/** State as a difference to another snapshot, or whole when `base` is absent. */
export interface SnapshotRow {
  readonly base?: number
  /** The snapshot that the next merge of differences is based on. */
  readonly anchor: number
  /** How many differences lie between this snapshot and its anchor. */
  readonly stepsToAnchor: number
  /** How many differences lie between the anchor and a whole snapshot. */
  readonly anchorsToWhole: number
  readonly changes: readonly SnapshotChange[]
}

/** A missing event id deletes the entry. */
export type SnapshotChange = readonly [type: string, stateKey: string, eventId: EventId] | readonly [type: string, stateKey: string]

export const roomsTables = {
  rooms: { name: 'rooms.rooms' } as Table<readonly [RoomId], RoomRow>,
  events: { name: 'rooms.events' } as Table<readonly [EventId], StoredEvent>,
  snapshots: { name: 'rooms.snapshots' } as Table<readonly [RoomId, snapshot: number], SnapshotRow>,
  /** Accepted events in the room's own order. */
  history: { name: 'rooms.history' } as Table<readonly [RoomId, depth: number, place: number, EventId], HistoryRow>,
  /** Accepted events in the order in which they arrived. */
  arrivals: { name: 'rooms.arrivals' } as Table<readonly [RoomId, position: number], EventId>,
  /** Redactions whose target is not known yet. */
  pendingRedactions: { name: 'rooms.pending-redactions' } as Table<readonly [RoomId, target: EventId, redaction: EventId], true>,
  invites: { name: 'rooms.invites' } as Table<readonly [UserId, RoomId], StoredInvite>,
} as const
