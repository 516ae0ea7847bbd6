import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'
import type { PushAction } from './push-rule.ts'

/** An event that a user was, or would have been, notified of. */
export interface StoredNotification {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly sender: UserId
  readonly actions: readonly PushAction[]
  readonly highlight: boolean
  /** When it was noticed here, ms. */
  readonly timestamp: number
}

export interface UnreadEvent {
  readonly eventId: EventId
  readonly sender: UserId
  /** The root of the thread that the event is in, or `main`. */
  readonly thread: string
  readonly highlight: boolean
}

export const notificationTables = {
  notifications: { name: 'push.notifications' } as Table<readonly [UserId, position: number], StoredNotification>,
  /** Those of them that no receipt covers. */
  unread: { name: 'push.unread' } as Table<readonly [UserId, RoomId, position: number], UnreadEvent>,
  /** Up to where the stream was looked through for notifications. */
  cursor: { name: 'push.cursor' } as Table<readonly [], number>,
} as const
