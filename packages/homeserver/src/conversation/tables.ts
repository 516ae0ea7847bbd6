import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export interface Report {
  readonly by: UserId
  /** ms */
  readonly at: number
  readonly about:
    | { readonly kind: 'room'; readonly roomId: RoomId }
    | { readonly kind: 'event'; readonly roomId: RoomId; readonly eventId: EventId; readonly sender: UserId }
    | { readonly kind: 'user'; readonly userId: UserId }
  readonly reason: string
}

export const conversationTables = {
  /** In the order in which they came. */
  reports: { name: 'conversation.reports' } as Table<readonly [number: number], Report>,
  /** The membership with which a user left a room, and wants to hear no more of it. With another one it is not forgotten any more. */
  forgottenRooms: { name: 'conversation.forgotten-rooms' } as Table<readonly [UserId, RoomId], EventId>,
} as const
