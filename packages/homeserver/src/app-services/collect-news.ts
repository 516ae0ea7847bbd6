import { type EventId, eventIdOf, type JsonObject, type RoomId, roomVersion, stripEvent, type UserId } from '@kith/matrix-protocol'
import type { Ephemeral } from '../ephemeral/index.ts'
import { presenceContent } from '../ephemeral/presence.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { StoredEvent } from '../rooms/index.ts'
import { receiptContents } from '../sync/joined-extras.ts'
import type { Timeline, TimelineRow } from '../timeline/index.ts'
import type { AppService } from './app-service.ts'
import { RoomInterest, type RoomInterestParts } from './room-interest.ts'
import type { DeliveryItem } from './tables.ts'

export interface NewsParts extends RoomInterestParts {
  readonly timeline: Timeline
  readonly ephemeral: Ephemeral
  readonly clock: Clock
}

export interface News {
  readonly items: readonly DeliveryItem[]
  /** Everything up to here was looked at. */
  readonly reached: number
}

/** What there is to tell a service of the stream after a position: as much as one transaction may hold, of one page of the stream. */
export async function collectNews(parts: NewsParts, service: AppService, after: number): Promise<News> {
  const { timeline, rooms } = parts
  const { appServiceRowsPerPage: pageSize, appServiceItemsPerTransactionMax: itemsMax } = limits.implementation
  // What lies behind it may still get rows before those that can be read already.
  const upTo = timeline.position
  const page = await timeline.since(after, pageSize)
  const rows = page.filter(({ key }) => key[0] <= upTo)
  const ids = rows.flatMap(({ value }) => (value.kind === 'room-event' ? [value.eventId] : []))
  const events = new Map((await rooms.events(ids)).map((event, index) => [ids[index], event]))
  const interest = new RoomInterest(parts, service, after)
  const items: DeliveryItem[] = []
  for (const { key, value } of rows) {
    items.push(...(await itemsOf(parts, { service, interest, events, position: key[0] }, value)))
    if (items.length >= itemsMax) return { items, reached: key[0] }
  }
  const last = rows.at(-1)?.key[0]
  return { items, reached: page.length === pageSize && rows.length === pageSize && last !== undefined ? last : Math.max(upTo, after) }
}

interface Look {
  readonly service: AppService
  readonly interest: RoomInterest
  readonly events: ReadonlyMap<EventId | undefined, StoredEvent | undefined>
  readonly position: number
}

/** At most one item, so that a transaction is never too long. */
async function itemsOf(parts: NewsParts, look: Look, row: TimelineRow): Promise<DeliveryItem[]> {
  const { service, interest, events, position } = look
  const hearsMore = service.registration.ephemeral !== 'none'
  switch (row.kind) {
    case 'room-event': {
      const event = events.get(row.eventId)
      return event !== undefined && (await interest.concerns(event)) ? [{ kind: 'event', eventId: row.eventId }] : []
    }
    case 'invite': {
      const invite = service.hasUser(row.userId) ? inviteEvent(parts, row.roomId, row.userId) : undefined
      return invite === undefined ? [] : [{ kind: 'invite', event: invite }]
    }
    case 'to-device':
      return isTold(parts, service, row.userId) ? [{ kind: 'to-device', userId: row.userId, deviceId: row.deviceId, position }] : []
    case 'receipt': {
      if (!hearsMore || !(await interest.concernsRoomNow(row.roomId))) return []
      const reader = service.hasUser(row.userId) ? row.userId : service.senderId
      const receipts = await parts.ephemeral.receipts.changedBetween(row.roomId, reader, position - 1, position)
      return receiptContents(receipts).map((content) => ({ kind: 'ephemeral', event: { type: 'm.receipt', room_id: row.roomId, content } }))
    }
    default:
      return []
  }
}

/** Whether messages to the user's devices are. Those to people in a wide namespace are for the clients that the people are logged in with. */
function isTold({ accounts }: NewsParts, service: AppService, userId: UserId): boolean {
  return service.registration.toDevice && service.hasUser(userId) && accounts.appServiceOf(userId) === service.id
}

/** An invite, or a knock, that lies outside of the rooms held here; undefined when it was taken back or answered. */
function inviteEvent({ rooms }: NewsParts, roomId: RoomId, userId: UserId): JsonObject | undefined {
  const invite = rooms.invite(roomId, userId)
  const version = roomVersion(invite?.version ?? '')
  if (invite === undefined || version === undefined) return undefined
  return {
    ...stripEvent(invite.event),
    room_id: roomId,
    event_id: eventIdOf(invite.event, version),
    origin_server_ts: invite.event.origin_server_ts,
    unsigned: { invite_room_state: [...invite.strippedState] },
  }
}

/** Who types and who is there, as far as that changed after a position, or at it. Nothing of it is remembered: it is old before it is lost. */
export async function collectPassing(parts: NewsParts, service: AppService, after: number): Promise<DeliveryItem[]> {
  const { ephemeral, rooms, clock } = parts
  const interest = new RoomInterest(parts, service, after)
  const events: JsonObject[] = []
  for (const roomId of ephemeral.typing.roomsChangedAfter(after)) {
    const typing = ephemeral.typing.changedAfter(roomId, after)
    if (typing !== undefined && (await interest.concernsRoomNow(roomId)))
      events.push({ type: 'm.typing', room_id: roomId, content: { user_ids: typing } })
  }
  for (const sender of ephemeral.presence.changedAfter(after)) {
    const info = ephemeral.presence.get(sender)
    const isKnown = service.hasUser(sender) || [...rooms.usersSharingRooms(sender)].some((userId) => service.hasUser(userId))
    if (info !== undefined && isKnown) events.push({ type: 'm.presence', sender, content: presenceContent(info, clock.now()) })
  }
  return events.slice(0, limits.implementation.appServiceItemsPerTransactionMax).map((event) => ({ kind: 'ephemeral', event }))
}
