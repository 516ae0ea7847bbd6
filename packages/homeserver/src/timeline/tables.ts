import type { EventId, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

/** One entry of the ordered stream: what happened, with ids only; the data lies in the owner's tables. */
export type TimelineRow =
  /** An event became part of a room's visible timeline here. */
  | { readonly kind: 'room-event'; readonly roomId: RoomId; readonly eventId: EventId }
  /** An event took its place in a room's history without being new, lost it, or got the content that it lacked. Nobody's sync tells of that. */
  | { readonly kind: 'room-history'; readonly roomId: RoomId; readonly eventId: EventId }
  /**
   * The state of a room changed without an event that joined its timeline. `completes`: only now all of its members are known. `ended`: local
   * users who are not in the room any more.
   */
  | { readonly kind: 'room-state'; readonly roomId: RoomId; readonly completes?: true; readonly ended?: readonly UserId[] }
  /** An invite (or its withdrawal) for a local user to a room whose state this server does not hold. */
  | { readonly kind: 'invite'; readonly roomId: RoomId; readonly userId: UserId }
  | { readonly kind: 'account-data'; readonly userId: UserId; readonly roomId?: RoomId; readonly type: string }
  | { readonly kind: 'to-device'; readonly userId: UserId; readonly deviceId: string }
  /** The device keys or cross-signing keys of a user changed. */
  | { readonly kind: 'device-list'; readonly userId: UserId }
  /** `isPrivate`: nobody but its user hears of it. */
  | { readonly kind: 'receipt'; readonly roomId: RoomId; readonly userId: UserId; readonly isPrivate?: true }
  /** The delivery state of an event sent here changed (see federation/deliver). */
  | { readonly kind: 'delivery'; readonly roomId: RoomId; readonly eventId: EventId }

/** Something that one destination still has to receive. */
export type OutboxItem =
  /** `asVisible`: the destination was outside of the room when the event was made, and gets it as it may see it. */
  | { readonly kind: 'pdu'; readonly roomId: RoomId; readonly eventId: EventId; readonly asVisible?: true }
  | { readonly kind: 'edu'; readonly type: string; readonly content: object }

/**
 * A row lives until the destination has acknowledged the item; a relay's acceptance only changes its state.
 * `at-relay`: `relays` hold it in the transaction `transactionId` until `expiresAt` (ms), after which it is handed over again.
 */
export interface OutboxRow {
  readonly item: OutboxItem
  readonly state:
    | { readonly kind: 'waiting' }
    | { readonly kind: 'at-relay'; readonly transactionId: string; readonly relays: readonly ServerName[]; readonly expiresAt: number }
}

export const timelineTables = {
  stream: { name: 'timeline.stream' } as Table<readonly [position: number], TimelineRow>,
  /** Positions handed out without a row stay below this lease, so that none is handed out twice after a crash. */
  lease: { name: 'timeline.lease' } as Table<readonly [], number>,
  outbox: { name: 'timeline.outbox' } as Table<readonly [destination: string, position: number], OutboxRow>,
  outboxByEvent: { name: 'timeline.outbox-by-event' } as Table<readonly [eventId: string, destination: string], number>,
} as const
