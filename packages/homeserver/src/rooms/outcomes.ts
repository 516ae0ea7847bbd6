import type { EventId, JsonObject, Pdu, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { TimelineTransaction } from '../timeline/index.ts'
import type { StoredEvent, TransactionId } from './stored-event.ts'

/** An event to be made here, before prev_events, auth_events, hash and signature are filled in. */
export interface EventDraft {
  readonly type: string
  /** Present for state events, also when empty. */
  readonly stateKey?: string
  readonly content: JsonObject
  /** For `m.room.redaction`: the event to redact. Goes where the room version wants it. */
  readonly redacts?: EventId
  /** `origin_server_ts`, where an application service says when it happened, ms. Default: now. */
  readonly timestamp?: number
}

export interface CreateRoomInput {
  readonly creator: UserId
  /** Default: matrix-protocol's DEFAULT_ROOM_VERSION. */
  readonly version?: string
  /** Content of `m.room.create`; `room_version` is filled in. */
  readonly createContent: JsonObject
  /** Everything after the create event, in order, all sent by the creator. The first must be the creator's own join. */
  readonly events: readonly EventDraft[]
  /** Further writes of the same commit. */
  readonly extraWrites?: (transaction: TimelineTransaction, roomId: RoomId) => void
}

export type CreateRoomOutcome =
  | { readonly kind: 'created'; readonly roomId: RoomId; readonly position: number }
  /** Nothing was stored: the auth rules deny the event of this type. */
  | { readonly kind: 'denied'; readonly type: string; readonly rule: string }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'unsupported-version' }

export interface SendInput extends EventDraft {
  readonly roomId: RoomId
  readonly sender: UserId
  readonly transactionId?: TransactionId
  /** Further writes of the same commit, such as the transaction id of the client. Runs synchronously inside `Timeline.commit`. */
  readonly extraWrites?: (transaction: TimelineTransaction, eventId: EventId) => void
}

export type SendOutcome =
  | { readonly kind: 'sent'; readonly eventId: EventId; readonly position: number }
  | { readonly kind: 'denied'; readonly rule: string }
  | { readonly kind: 'unknown-room' }
  | { readonly kind: 'too-large' }

export type BuildOutcome =
  | { readonly kind: 'built'; readonly eventId: EventId; readonly pdu: Pdu; readonly version: string }
  | { readonly kind: 'denied'; readonly rule: string }
  | { readonly kind: 'unknown-room' }
  | { readonly kind: 'too-large' }

export type TemplateOutcome =
  | { readonly kind: 'template'; readonly event: JsonObject; readonly version: string }
  | { readonly kind: 'denied'; readonly rule: string }
  | { readonly kind: 'unknown-room' }

export type ReceiveOutcome =
  | { readonly kind: 'accepted'; readonly eventId: EventId; readonly position: number }
  | { readonly kind: 'duplicate'; readonly eventId: EventId }
  | { readonly kind: 'soft-failed'; readonly eventId: EventId; readonly reason: string }
  | { readonly kind: 'rejected'; readonly eventId: EventId; readonly reason: string }
  /** Nothing was stored. These prev or auth events must come first; of `authEventIds` it is enough that they are known, wherever they stand. */
  | {
      readonly kind: 'missing'
      readonly eventId: EventId
      readonly eventIds: readonly EventId[]
      readonly authEventIds: readonly EventId[]
    }
  | { readonly kind: 'unknown-room' }

/** Outcome of a backfilled event; `accepted` here has no stream position. */
export type HistoryOutcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'rejected'; readonly reason: string }
  /** Nothing was stored: these auth events are unknown. */
  | { readonly kind: 'missing'; readonly eventIds: readonly EventId[] }

export interface InstallJoinedInput {
  readonly version: string
  /** The join event of a user of this server. */
  readonly event: Pdu
  /** The state before the join. */
  readonly state: readonly Pdu[]
  /** The auth chain of the state and of the join; may repeat events of `state`. */
  readonly authChain: readonly Pdu[]
  /** Present when the answer left members out: then these servers are in the room, and `completeState` brings the rest. */
  readonly partial?: { readonly servers: readonly ServerName[] }
}

export type CompleteOutcome =
  | { readonly kind: 'completed'; readonly position: number }
  /** Nothing changed. */
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'unknown-room' }

export type InstallOutcome =
  | { readonly kind: 'joined'; readonly roomId: RoomId; readonly eventId: EventId; readonly position: number }
  | { readonly kind: 'invalid'; readonly reason: string }

/** The state before an event, as another server tells it, for an event whose prev_events cannot be had. */
export interface StateBeforeInput {
  /** The ids of the whole state before the event. */
  readonly stateIds: readonly EventId[]
  /** Those of the state and of its auth chain that are not stored here yet. */
  readonly events: readonly Pdu[]
}

/** An invite to, or a knock at, a room whose state this server does not hold; the event says which. */
export interface OutOfBandInvite {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly version: string
  readonly event: Pdu
  readonly strippedState: readonly JsonObject[]
  /** Servers of the room besides that of the event's sender, such as the one that took the knock. */
  readonly via?: readonly ServerName[]
}

export interface StoredInvite extends OutOfBandInvite {
  /** Stream position at which it became visible. */
  readonly position: number
}

export interface PageInput {
  /** A history token; absent: from the newest event backwards, or from the oldest forwards. */
  readonly from: string | undefined
  readonly direction: 'b' | 'f'
  readonly limit: number
}

export interface HistoryPage {
  readonly events: readonly StoredEvent[]
  /** The token after the last event of this page; absent when nothing more is stored in this direction. */
  readonly end?: string
  /**
   * The page ends at an event with these prev_events, which this server lacks. After backfilling them, or in vain, go on from `end`
   * (when present), or ask for the same page again.
   */
  readonly gapAt?: readonly EventId[]
}

export interface TimelineSlice {
  /** Oldest first. */
  readonly events: readonly StoredEvent[]
  /** Older events after the asked position exist and were left out. */
  readonly limited: boolean
  /** History token just before the first of the events; pages backwards from there lose and repeat nothing. */
  readonly prevBatch: string
}
