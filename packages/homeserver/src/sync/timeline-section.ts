import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import { withoutIgnored } from '../accounts/ignored-users.ts'
import { limits } from '../limits.ts'
import type { Rooms, StoredEvent, TimelineSlice } from '../rooms/index.ts'
import type { ClientEvents, EventReader } from './client-events.ts'
import { pickFields } from './event-fields.ts'
import { redactionsKeptBack } from './shown-redactions.ts'
import type { SyncFilter } from './sync-filter.ts'
import type { Visibility } from './visibility.ts'

export interface TimelineSection {
  readonly events: readonly JsonObject[]
  readonly limited: boolean
  readonly prev_batch: string
}

export interface TimelineWish {
  readonly reader: EventReader
  readonly filter: SyncFilter
  /** Users of whom the reader wants to hear nothing. */
  readonly ignored: ReadonlySet<string>
  readonly limit: number
}

export interface ShownTimeline extends TimelineSlice {
  /** Something that is perhaps not shown may have made unread events read, or have taken them back. */
  readonly mayLowerCounts: boolean
}

/**
 * The newest events of a stretch of a room's timeline that the reader may see and wants to, as many as the limit has room for.
 * `limited`: there are more of them, or there may be.
 */
export async function readTimeline(
  parts: { readonly rooms: Rooms; readonly visibility: Visibility },
  roomId: RoomId,
  stretch: { readonly after: number; readonly upTo: number },
  wish: TimelineWish,
): Promise<ShownTimeline> {
  const { rooms } = parts
  const { limit } = wish
  if (!wish.filter.timeline.acceptsRoom(roomId)) return { ...(await nothingOf(rooms, roomId, stretch.upTo)), mayLowerCounts: true }
  let shown: StoredEvent[] = []
  let until = stretch.upTo
  let scanned = 0
  let mayLowerCounts = false
  for (let pageSize = limit + 1; ; pageSize = limits.implementation.syncTimelinePageSize) {
    const slice = await rooms.timelineSince(roomId, stretch.after, pageSize, until)
    shown = [...(await chosen(parts.visibility, slice.events, wish)), ...shown]
    scanned += slice.events.length
    mayLowerCounts ||= slice.events.some(({ pdu }) => pdu.sender === wish.reader.userId || pdu.type === 'm.room.redaction')
    if (shown.length > limit) return { ...(await cut(rooms, roomId, shown, limit, stretch.upTo)), mayLowerCounts }
    const [first] = slice.events
    const isWhole = !slice.limited || first?.position === undefined || first.afterGap === true
    if (isWhole && !slice.limited) {
      const events = [...shown, ...(await chosen(parts.visibility, await redactionsKeptBack(rooms, shown, stretch.after), wish))]
      // Whoever looks back before the first of them finds what was kept back in its place.
      if (events.length > limit) return { ...(await cut(rooms, roomId, shown, limit, stretch.upTo)), mayLowerCounts: true }
      return { ...slice, events, mayLowerCounts: mayLowerCounts || events.length > shown.length }
    }
    if (isWhole || scanned >= limits.implementation.syncTimelineScannedMax) return { ...slice, events: shown, mayLowerCounts }
    until = first.position - 1
  }
}

/** Events of rooms in the form that the filter asks for. */
export async function formatEvents(
  events: ClientEvents,
  found: readonly StoredEvent[],
  { reader, filter }: Pick<TimelineWish, 'reader' | 'filter'>,
): Promise<JsonObject[]> {
  const formatted =
    filter.eventFormat === 'federation'
      ? found.map(({ pdu, eventId }) => ({ ...pdu, event_id: eventId }))
      : ((await events.withoutRoomId(found, reader)) as unknown as JsonObject[])
  const { eventFields } = filter
  return eventFields === undefined ? formatted : formatted.map((event) => pickFields(event, eventFields))
}

async function chosen(
  visibility: Visibility,
  events: readonly StoredEvent[],
  { filter, ignored, reader }: TimelineWish,
): Promise<StoredEvent[]> {
  const accepted = withoutIgnored(events, ignored).filter((event) => filter.timeline.accepts(event.pdu))
  return visibility.filter(accepted, reader.userId)
}

async function cut(rooms: Rooms, roomId: RoomId, shown: readonly StoredEvent[], limit: number, upTo: number): Promise<TimelineSlice> {
  const events = limit === 0 ? [] : shown.slice(-limit)
  const position = events[0]?.position
  if (position === undefined) return { ...(await nothingOf(rooms, roomId, upTo)), limited: true }
  const { prevBatch } = await rooms.timelineSince(roomId, position - 1, 1, position)
  return { events, limited: true, prevBatch }
}

async function nothingOf(rooms: Rooms, roomId: RoomId, upTo: number): Promise<TimelineSlice> {
  const { prevBatch } = await rooms.timelineSince(roomId, upTo, 0, upTo)
  return { events: [], limited: false, prevBatch }
}
