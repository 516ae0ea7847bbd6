import { isJsonObject, ownMember, ownString, powerLevelOf, type RoomId, type RoomVersion, type UserId } from '@kith/matrix-protocol'
import type { Receipts } from '../ephemeral/receipts.ts'
import { limits } from '../limits.ts'
import { evaluatePush, type PushSurroundings } from '../push/evaluate.ts'
import type { PushRules } from '../push/push-rules.ts'
import type { Rooms, RoomState, StoredEvent } from '../rooms/index.ts'

export interface UnreadCounts {
  readonly notification_count: number
  readonly highlight_count: number
}

/**
 * How many events after the user's last receipt the push rules want to notify of, looking at a bounded number of the newest events.
 * The user's own last event counts as read, and so does everything before the user joined.
 */
export async function countUnread(
  parts: { readonly rooms: Rooms; readonly receipts: Receipts; readonly pushRules: PushRules },
  roomId: RoomId,
  userId: UserId,
  upTo: number,
): Promise<UnreadCounts> {
  const { rooms } = parts
  const state = rooms.state(roomId)
  if (state === undefined) return { notification_count: 0, highlight_count: 0 }
  const readUpTo = await readPosition(parts, roomId, userId)
  const slice = await rooms.timelineSince(roomId, readUpTo, limits.implementation.unreadEventsScannedMax, upTo)
  const lastOwn = slice.events.findLastIndex((event) => event.pdu.sender === userId)
  const unread = slice.events.slice(lastOwn + 1).filter((event) => event.pdu.sender !== userId && event.redactedBy === undefined)
  if (unread.length === 0) return { notification_count: 0, highlight_count: 0 }
  const rules = await parts.pushRules.get(userId)
  const around = surroundingsOf(rooms, roomId, state, userId)
  let notifications = 0
  let highlights = 0
  for (const event of unread) {
    const verdict = evaluatePush(rules, { ...event.pdu, room_id: roomId }, around(event))
    if (verdict.notify) notifications++
    if (verdict.highlight) highlights++
  }
  return { notification_count: notifications, highlight_count: highlights }
}

async function readPosition(
  parts: { readonly rooms: Rooms; readonly receipts: Receipts },
  roomId: RoomId,
  userId: UserId,
): Promise<number> {
  const receipts = await parts.receipts.ofUser(roomId, userId)
  const read = await parts.rooms.events(receipts.map((receipt) => receipt.eventId))
  const member = parts.rooms.state(roomId)?.get('m.room.member', userId)
  return Math.max(member?.position ?? 0, ...read.map((event) => (event?.roomId === roomId ? (event.position ?? 0) : 0)))
}

/** What one room shows of itself to the rules, read once for all its events. */
function surroundingsOf(rooms: Rooms, roomId: RoomId, state: RoomState, userId: UserId): (event: StoredEvent) => PushSurroundings {
  const member = state.get('m.room.member', userId)
  const displayName = member === undefined ? undefined : ownString(member.pdu.content, 'displayname')
  let joined: number | undefined
  return (event) => ({
    userId,
    displayName,
    get joinedMembers() {
      joined ??= [...state.members('join')].length
      return joined
    },
    senderMayNotify: (key) => mayNotify(rooms.version(roomId), state, event, key),
  })
}

function mayNotify(version: RoomVersion | undefined, state: RoomState, event: StoredEvent, key: string): boolean {
  const levels = state.get('m.room.power_levels', '')?.pdu.content ?? {}
  const create = state.get('m.room.create', '')
  if (version === undefined || create === undefined) return false
  const notifications = ownMember(levels, 'notifications')
  const required = isJsonObject(notifications) ? ownMember(notifications, key) : undefined
  const power = powerLevelOf(event.pdu.sender, levels, create.pdu, version)
  return power >= (typeof required === 'number' ? required : 50)
}
