import type { RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Timeline } from '../timeline/index.ts'

/** What the rows of a stretch of the stream are about, as far as one user may care. */
export interface StreamChanges {
  /** Undefined: too many rows to read; any room may have changed. */
  readonly rooms: ReadonlySet<RoomId> | undefined
  /** Rooms whose state changed without an event that says so; undefined: any may be. */
  readonly moved: ReadonlySet<RoomId> | undefined
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

export async function readStreamChanges(timeline: Timeline, userId: UserId, after: number, upTo: number): Promise<StreamChanges> {
  const rooms = new Set<RoomId>()
  const moved = new Set<RoomId>()
  const completed = new Set<RoomId>()
  const receipts = new Set<RoomId>()
  const ownReceipts = new Set<RoomId>()
  const deviceLists = new Set<UserId>()
  const invites = new Set<RoomId>()
  const stretch = await timeline.between(after, upTo, limits.implementation.syncRowsScannedMax)
  for (const { row } of stretch.rows) {
    if (row.kind === 'room-event' || row.kind === 'room-state') rooms.add(row.roomId)
    if (row.kind === 'room-state') moved.add(row.roomId)
    if (row.kind === 'room-state' && row.completes === true) completed.add(row.roomId)
    if (row.kind === 'device-list') deviceLists.add(row.userId)
    if (row.kind === 'receipt' && (row.userId === userId || row.isPrivate !== true)) {
      receipts.add(row.roomId)
      if (row.userId === userId) ownReceipts.add(row.roomId)
    } else if (row.kind === 'invite' && row.userId === userId) invites.add(row.roomId)
  }
  if (stretch.isWhole) return { rooms, moved, completed, receipts, ownReceipts, deviceLists, invites }
  return { rooms: undefined, moved: undefined, completed: undefined, receipts, ownReceipts, deviceLists: undefined, invites }
}
