import { type EventId, prevEventIdsOf, type RoomId, unreachable } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Entry } from '../ports/index.ts'
import { formatHistoryToken, type HistoryToken, parseHistoryToken } from './history-token.ts'
import type { HistoryPage, PageInput, TimelineSlice } from './outcomes.ts'
import type { RoomsContext } from './rooms-context.ts'
import type { StoredEvent } from './stored-event.ts'
import { type HistoryRow, roomsTables } from './tables.ts'

type HistoryEntry = Entry<readonly [RoomId, depth: number, place: number, EventId], HistoryRow>

const { historyPageMax, historyScanMax } = limits.implementation

/** @throws RangeError for a token that is none; see isHistoryToken. */
export async function readPage(context: RoomsContext, roomId: RoomId, input: PageInput): Promise<HistoryPage> {
  const from = input.from === undefined ? undefined : parseHistoryToken(input.from)
  if (input.from !== undefined && from === undefined) throw new RangeError('not a history token')
  const limit = Math.min(Math.max(1, input.limit), historyPageMax)
  const { entries, more, last } = await scan(context, roomId, from, input.direction, limit)
  const events = await readEvents(context, entries)
  switch (input.direction) {
    case 'f':
      return withEnd({ events }, more, last, (row) => ({ depth: row.key[1], sequence: row.key[2] + 1, below: undefined }))
    case 'b': {
      const gap = await findGap(context, events)
      const shown = gap === undefined ? events : events.slice(0, gap.index + 1)
      const page = gap === undefined ? { events: shown } : { events: shown, gapAt: gap.missing }
      const lastShown = gap === undefined ? last : entries[gap.index]
      return withEnd(page, more || gap !== undefined, lastShown, (row) => ({
        depth: row.key[1],
        sequence: row.key[2],
        below: from?.below,
      }))
    }
    default:
      return unreachable(input.direction)
  }
}

/** The newest events of the room after a stream position, up to and with `until`. */
export async function readTimelineSince(
  context: RoomsContext,
  roomId: RoomId,
  position: number,
  limit: number,
  until: number,
): Promise<TimelineSlice> {
  const bounded = Math.min(Math.max(0, limit), historyPageMax)
  const arrivals = await context.ports.storage.range(roomsTables.arrivals, {
    prefix: [roomId],
    after: [roomId, position],
    before: [roomId, until + 1],
    reverse: true,
    limit: bounded + 1,
  })
  const newest = arrivals.slice(0, bounded).reverse()
  const events = await context.store.getMany(newest.map((entry) => entry.value.eventId).filter((eventId) => eventId !== undefined))
  const found = events.filter((event) => event !== undefined)
  // Where history is missing the slice begins anew: whoever wants what lies before asks for it, and it is fetched then.
  const gap = found.findLastIndex((event) => event.afterGap === true)
  const shown = found.slice(Math.max(gap, 0))
  const prevBatch = formatHistoryToken(shown[0] === undefined ? tokenAfter(until) : tokenBefore(shown[0]))
  return { events: shown, limited: arrivals.length > bounded || gap !== -1, prevBatch }
}

/** The event closest to a time, on one side of it. */
export async function readEventNear(
  context: RoomsContext,
  roomId: RoomId,
  timestamp: number,
  direction: 'b' | 'f',
): Promise<StoredEvent | undefined> {
  const at = Math.min(Math.max(0, timestamp), Number.MAX_SAFE_INTEGER - 1)
  const bound = direction === 'b' ? { before: [roomId, at + 1] } : { after: [roomId, at] }
  // A bound of two parts lies just before all keys that begin with it.
  const [entry] = await context.ports.storage.range(roomsTables.times, {
    prefix: [roomId],
    ...bound,
    reverse: direction === 'b',
    limit: 1,
  })
  if (entry === undefined || (direction === 'b' && timestamp < 0)) return undefined
  return context.store.get(entry.key[2])
}

/** Everything that was in the timeline before this event, and all that was backfilled behind it. */
function tokenBefore(event: StoredEvent): HistoryToken {
  const depth = Math.max((event.depthBefore ?? 0) + 1, event.pdu.depth)
  return { depth: Math.min(depth, Number.MAX_SAFE_INTEGER), sequence: 0, below: event.position }
}

function tokenAfter(position: number): HistoryToken {
  return { depth: Number.MAX_SAFE_INTEGER, sequence: Number.MAX_SAFE_INTEGER, below: position + 1 }
}

interface Scan {
  readonly entries: readonly HistoryEntry[]
  /** Whether there may be more in this direction. */
  readonly more: boolean
  /** Where the next scan goes on; not one of the entries where it stopped for having looked at too many. */
  readonly last: HistoryEntry | undefined
}

async function scan(
  context: RoomsContext,
  roomId: RoomId,
  from: HistoryToken | undefined,
  direction: 'b' | 'f',
  limit: number,
): Promise<Scan> {
  const entries: HistoryEntry[] = []
  let cursor: readonly (string | number)[] | undefined = from === undefined ? undefined : cursorOf(roomId, from, direction)
  let scanned = 0
  let last: HistoryEntry | undefined
  while (scanned < historyScanMax) {
    const wanted = limit + 1 - entries.length
    const bound = cursor === undefined ? {} : direction === 'b' ? { before: cursor } : { after: cursor }
    const rows: HistoryEntry[] = await context.ports.storage.range(roomsTables.history, {
      prefix: [roomId],
      ...bound,
      reverse: direction === 'b',
      limit: wanted,
    })
    entries.push(...rows.filter((row) => isBelow(row, from, direction)))
    scanned += rows.length
    if (entries.length > limit) return { entries: entries.slice(0, limit), more: true, last: entries[limit - 1] }
    last = rows.at(-1)
    if (rows.length < wanted) return { entries, more: false, last }
    cursor = last?.key
  }
  return { entries, more: true, last }
}

function cursorOf(roomId: RoomId, token: HistoryToken, direction: 'b' | 'f'): readonly (string | number)[] {
  if (direction === 'b' || token.sequence === 0) return direction === 'b' ? [roomId, token.depth, token.sequence] : [roomId, token.depth]
  // Behind every event at the place before.
  return [roomId, token.depth, token.sequence - 1, '\uffff']
}

/** What arrived after the token was made comes to the client by sync; backfilled events never do. */
function isBelow(row: HistoryEntry, from: HistoryToken | undefined, direction: 'b' | 'f'): boolean {
  if (direction === 'f' || from?.below === undefined) return true
  return row.value.position === undefined || row.value.position < from.below
}

async function readEvents(context: RoomsContext, entries: readonly HistoryEntry[]): Promise<StoredEvent[]> {
  const events = await context.store.getMany(entries.map((entry) => entry.value.eventId))
  return events.map((event, index) => {
    if (event === undefined) throw new Error(`the history names an event that is not stored: ${entries[index]?.value.eventId ?? ''}`)
    return event
  })
}

/** The first event, going backwards, with predecessors that this server lacks. */
async function findGap(context: RoomsContext, events: readonly StoredEvent[]): Promise<{ index: number; missing: EventId[] } | undefined> {
  const shown = new Set(events.map((event) => event.eventId))
  const unseen = [...new Set(events.flatMap((event) => prevEventIdsOf(event.pdu)))].filter((eventId) => !shown.has(eventId))
  const known = await context.store.getMany(unseen)
  const lacking = new Set(unseen.filter((_, index) => known[index] === undefined || known[index].status === 'outlier'))
  const index = events.findIndex((event) => prevEventIdsOf(event.pdu).some((eventId) => lacking.has(eventId)))
  const event = events[index]
  return event === undefined ? undefined : { index, missing: prevEventIdsOf(event.pdu).filter((eventId) => lacking.has(eventId)) }
}

function withEnd(
  page: HistoryPage,
  more: boolean,
  last: HistoryEntry | undefined,
  toToken: (last: HistoryEntry) => HistoryToken,
): HistoryPage {
  return more && last !== undefined ? { ...page, end: formatHistoryToken(toToken(last)) } : page
}
