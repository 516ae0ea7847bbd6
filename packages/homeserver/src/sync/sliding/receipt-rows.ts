import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Timeline } from '../../timeline/index.ts'

/** Rooms with receipts of any user, and of one, in a stretch of the stream. Undefined: too many rows to look through; any room may be. */
export interface ReceiptRows {
  readonly any: ReadonlySet<RoomId> | undefined
  readonly own: ReadonlySet<RoomId> | undefined
}

export async function readReceiptRows(timeline: Timeline, userId: UserId, after: number, upTo: number): Promise<ReceiptRows> {
  const { rows, isWhole } = await timeline.between(after, upTo, limits.implementation.syncRowsScannedMax)
  if (!isWhole) return { any: undefined, own: undefined }
  const receipts = rows.flatMap(({ row }) => (row.kind === 'receipt' ? [row] : []))
  const own = receipts.filter((receipt) => receipt.userId === userId)
  return { any: new Set(receipts.map(({ roomId }) => roomId)), own: new Set(own.map(({ roomId }) => roomId)) }
}
