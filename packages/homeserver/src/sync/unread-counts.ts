import type { JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { Notifications } from '../push/notifications.ts'
import { mainTimeline } from '../rooms/index.ts'
import type { PlacedUnread } from '../push/unread-rooms.ts'

export interface UnreadCounts {
  readonly notification_count: number
  readonly highlight_count: number
}

interface Reader {
  readonly userId: UserId
  readonly ignored: ReadonlySet<string>
}

/** What a room has for its user that no receipt covers. The notifications must have been followed as far as the answer goes. */
export async function countUnread(notifications: Notifications, roomId: RoomId, reader: Reader): Promise<UnreadCounts> {
  return countOf(await unreadOf(notifications, roomId, reader))
}

/**
 * The same as the members of a room's section in /sync; those of threads apart where the client asks for that.
 * @see https://spec.matrix.org/latest/client-server-api/#receiving-notifications
 */
export async function unreadSection(notifications: Notifications, roomId: RoomId, reader: Reader, perThread: boolean): Promise<JsonObject> {
  const unread = await unreadOf(notifications, roomId, reader)
  if (!perThread) return { unread_notifications: { ...countOf(unread) } }
  const threads = Map.groupBy(unread, ({ thread }) => thread)
  const main = threads.get(mainTimeline) ?? []
  threads.delete(mainTimeline)
  const counted = [...threads].map(([root, events]) => [root, { ...countOf(events) }] as const)
  return {
    unread_notifications: { ...countOf(main) },
    ...(counted.length === 0 ? {} : { unread_thread_notifications: Object.fromEntries(counted) }),
  }
}

export async function hasUnreadAfter(notifications: Notifications, roomId: RoomId, reader: Reader, position: number): Promise<boolean> {
  return (await unreadOf(notifications, roomId, reader)).some((event) => event.position > position)
}

async function unreadOf(notifications: Notifications, roomId: RoomId, { userId, ignored }: Reader): Promise<readonly PlacedUnread[]> {
  const unread = await notifications.unreadIn(userId, roomId)
  return ignored.size === 0 ? unread : unread.filter(({ sender }) => !ignored.has(sender))
}

function countOf(unread: readonly PlacedUnread[]): UnreadCounts {
  let highlights = 0
  for (const { highlight } of unread) if (highlight) highlights++
  return { notification_count: unread.length, highlight_count: highlights }
}
