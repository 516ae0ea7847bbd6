import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Timeline } from '../../timeline/index.ts'

/** Rooms with receipts of any user, and of one, in a stretch of the stream. Undefined: too many rows to look through; any room may be. */
export interface ReceiptRows {
  readonly any: ReadonlySet<RoomId> | undefined
  readonly own: ReadonlySet<RoomId> | undefined
}

const pageSize = 1000

export async function readReceiptRows(timeline: Timeline, userId: UserId, after: number, upTo: number): Promise<ReceiptRows> {
  const any = new Set<RoomId>()
  const own = new Set<RoomId>()
  let cursor = after
  for (let scanned = 0; cursor < upTo && scanned < limits.implementation.syncRowsScannedMax; scanned += pageSize) {
    const page = await timeline.since(cursor, pageSize)
    for (const { key, value } of page) {
      if (key[0] > upTo || value.kind !== 'receipt') continue
      any.add(value.roomId)
      if (value.userId === userId) own.add(value.roomId)
    }
    const last = page.at(-1)
    if (page.length < pageSize || last === undefined) return { any, own }
    cursor = last.key[0]
  }
  return cursor < upTo ? { any: undefined, own: undefined } : { any, own }
}
