import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Timeline } from '../timeline/index.ts'

/** What the rows of a stretch of the stream are about, as far as one user may care. */
export interface StreamChanges {
  /** Undefined: too many rows to read; any room may have changed. */
  readonly rooms: ReadonlySet<RoomId> | undefined
  /** Rooms whose members were not all known before; undefined: any may be. */
  readonly completed: ReadonlySet<RoomId> | undefined
  readonly receipts: ReadonlySet<RoomId>
  /** Those of them in which the user's own receipts changed, and with them the counts. */
  readonly ownReceipts: ReadonlySet<RoomId>
  /** Whose keys changed; undefined: anybody's may have. */
  readonly deviceLists: ReadonlySet<UserId> | undefined
  /** Rooms to which the user was invited from another server, or no longer is. */
  readonly invites: ReadonlySet<RoomId>
}

const pageSize = 1000

export async function readStreamChanges(timeline: Timeline, userId: UserId, after: number, upTo: number): Promise<StreamChanges> {
  const rooms = new Set<RoomId>()
  const completed = new Set<RoomId>()
  const receipts = new Set<RoomId>()
  const ownReceipts = new Set<RoomId>()
  const deviceLists = new Set<UserId>()
  const invites = new Set<RoomId>()
  let cursor = after
  for (let scanned = 0; scanned < limits.implementation.syncRowsScannedMax; scanned += pageSize) {
    const page = await timeline.since(cursor, pageSize)
    for (const { key, value } of page) {
      if (key[0] > upTo) break
      if (value.kind === 'room-event' || value.kind === 'room-state') rooms.add(value.roomId)
      if (value.kind === 'room-state' && value.completes === true) completed.add(value.roomId)
      if (value.kind === 'device-list') deviceLists.add(value.userId)
      if (value.kind === 'receipt' && (value.userId === userId || value.isPrivate !== true)) {
        receipts.add(value.roomId)
        if (value.userId === userId) ownReceipts.add(value.roomId)
      } else if (value.kind === 'invite' && value.userId === userId) invites.add(value.roomId)
    }
    const last = page.at(-1)
    if (page.length < pageSize || last === undefined || last.key[0] >= upTo)
      return { rooms, completed, receipts, ownReceipts, deviceLists, invites }
    cursor = last.key[0]
  }
  return { rooms: undefined, completed: undefined, receipts, ownReceipts, deviceLists: undefined, invites }
}
