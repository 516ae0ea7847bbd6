import type { EventId, Pdu, RoomId } from '@kith/matrix-protocol'
import type { StateRoot } from './state-trie.ts'

/**
 * - `accepted`: part of the room's history.
 * - `soft-failed`: valid where it was sent, refused by the state of the room now; takes part in the DAG, is never shown.
 * - `rejected`: fails the auth rules; kept so that its descendants can be judged.
 * - `outlier`: known only as state or as part of an auth chain, without its place in the DAG.
 */
export type EventStatus = 'accepted' | 'soft-failed' | 'rejected' | 'outlier'

/** The client transaction that made an event; goes only into what that device reads. */
export interface TransactionId {
  readonly deviceId: string
  readonly txnId: string
}

/** An event as stored. Frozen: never mutate it. */
export interface StoredEvent {
  readonly eventId: EventId
  readonly roomId: RoomId
  /** The event in wire format; once redacted, in its redacted form. */
  readonly pdu: Pdu
  readonly status: EventStatus
  /** Position in the timeline's stream; absent for outliers and for events that came by backfill or behind a gap. */
  readonly position?: number
  /** Orders events of equal depth in the room's history. */
  readonly sequence?: number
  /** The greatest depth in the room's history just before this event joined the timeline. */
  readonly depthBefore?: number
  /** Some of its predecessors were not known when it joined the timeline. */
  readonly afterGap?: true
  /** The room's state before this event; absent when it was never known (outliers, backfill). */
  readonly stateBefore?: StateRoot
  /** The room's state after this event. */
  readonly stateAfter?: StateRoot
  readonly redactedBy?: EventId
  /** What the auth rules read of an event whose redacted form says less: that it was redacted changes nobody's rights in hindsight. */
  readonly forAuth?: Pdu
  /** For rejected events: the rule they break. */
  readonly rejectedBecause?: string
  readonly transactionId?: TransactionId
}
