import type { EventId, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'
import type { StoredInvite } from './outcomes.ts'
import type { NodeId, StateRoot, TrieNode } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

/** What a room is, apart from its events. A room exists here from the commit that writes this row. */
export interface RoomRow {
  readonly version: string
  readonly extremities: readonly EventId[]
  /** The current state. */
  readonly state: StateRoot
  /** The greatest depth in the room's history. */
  readonly depth: number
  /** Present while the state lacks members, after a join that left them out. */
  readonly partial?: PartialJoin
  /** Soft-failed events that came while a gap was open, and perhaps lie behind it; the latest last. */
  readonly doubtful?: readonly EventId[]
  /** Servers whose last join lost its right to something that happened beside it, the latest last. */
  readonly displaced?: readonly DisplacedServer[]
  /** The stream position of the last event or change of state. */
  readonly changedAt?: number
  /** The stream position of the last event that people look for: a message or a call, not a new name. */
  readonly bumpedAt?: number
}

export interface DisplacedServer {
  readonly server: ServerName
  /** What it is told of, with what leads there; nothing of what came after it. */
  readonly by: EventId
}

export interface PartialJoin {
  readonly joinEventId: EventId
  /** The servers in the room, as the answer to the join told. */
  readonly servers: readonly ServerName[]
  /** The state before the join, as far as the answer told it. */
  readonly stateBefore: StateRoot
}

export interface HistoryRow {
  readonly eventId: EventId
  /** Stream position; absent for events that came by backfill or behind a gap. */
  readonly position?: number
}

/** What joined the room's timeline at a position. */
export interface ArrivalRow {
  /** Absent where the state changed without an event of its own. */
  readonly eventId?: EventId
  /** The room's current state from here on. */
  readonly state: StateRoot
}

export const roomsTables = {
  rooms: { name: 'rooms.rooms' } as Table<readonly [RoomId], RoomRow>,
  events: { name: 'rooms.events' } as Table<readonly [EventId], StoredEvent>,
  stateNodes: { name: 'rooms.state-nodes' } as Table<readonly [RoomId, NodeId], TrieNode>,
  /** Accepted events in the room's own order. */
  history: { name: 'rooms.history' } as Table<readonly [RoomId, depth: number, place: number, EventId], HistoryRow>,
  /** Accepted events in the order in which they arrived. */
  arrivals: { name: 'rooms.arrivals' } as Table<readonly [RoomId, position: number], ArrivalRow>,
  /** Accepted events by the time that their senders wrote. */
  times: { name: 'rooms.times' } as Table<readonly [RoomId, timestamp: number, EventId], true>,
  /** Accepted events by what they relate to, in the order of the history. */
  relations: { name: 'rooms.relations' } as Table<
    readonly [RoomId, target: EventId, relType: string, depth: number, place: number, EventId],
    { readonly sender: UserId; readonly type: string }
  >,
  /** The ways in which something relates, or once related, to an event. */
  relationTypes: { name: 'rooms.relation-types' } as Table<readonly [RoomId, target: EventId, relType: string], true>,
  /** What is part of any thread of the room, with the root of that thread. */
  threadReplies: { name: 'rooms.thread-replies' } as Table<readonly [RoomId, depth: number, place: number, EventId], EventId>,
  /** Redactions whose target is not known yet. */
  pendingRedactions: { name: 'rooms.pending-redactions' } as Table<readonly [RoomId, target: EventId, redaction: EventId], true>,
  /** Events that are not here while an event that follows them is part of the room. */
  gaps: { name: 'rooms.gaps' } as Table<readonly [RoomId, missing: EventId, successor: EventId], true>,
  /** Events judged while the state lacked members, in that order. */
  judgedPartially: { name: 'rooms.judged-partially' } as Table<readonly [RoomId, sequence: number], EventId>,
  invites: { name: 'rooms.invites' } as Table<readonly [UserId, RoomId], StoredInvite>,
} as const
