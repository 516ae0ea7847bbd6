import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

export type ReceiptType = 'm.read' | 'm.read.private'

export interface StoredReceipt {
  readonly eventId: EventId
  /** When it was made, ms. */
  readonly timestamp: number
  /** Stream position at which it became known. */
  readonly position: number
}

export const ephemeralTables = {
  /** `threadId` is empty for receipts outside of any thread. */
  receipts: { name: 'ephemeral.receipts' } as Table<readonly [RoomId, UserId, ReceiptType, threadId: string], StoredReceipt>,
  receiptsByPosition: { name: 'ephemeral.receipts-by-position' } as Table<
    readonly [RoomId, position: number],
    { readonly userId: UserId; readonly type: ReceiptType; readonly threadId: string }
  >,
  /** Where somebody typed: the position from which on nobody did, and 0 until this server has started again. */
  typedRooms: { name: 'ephemeral.typed-rooms' } as Table<readonly [RoomId], number>,
} as const
