import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { type HistoryPlace, parseHistoryToken, type RelationEntry, relationOf, type StoredEvent } from '../rooms/index.ts'
import type { ConversationParts } from './aggregations.ts'
import { formatPlace, isBefore, parsePlace } from './history-places.ts'

export interface RelationsInput {
  readonly roomId: RoomId
  readonly target: EventId
  readonly relType: string | undefined
  readonly eventType: string | undefined
  readonly recurse: boolean
  readonly direction: 'b' | 'f'
  /** History tokens. */
  readonly from: string | undefined
  readonly to: string | undefined
  readonly limit: number
  readonly userId: UserId
}

export interface RelationsPage {
  readonly events: readonly StoredEvent[]
  /** History token; absent when nothing more follows. */
  readonly end: string | undefined
  /** How many steps of relations were followed; absent unless that was asked for. */
  readonly depth: number | undefined
}

/** A row of the index, and what it relates to. */
interface Found extends RelationEntry {
  readonly target: EventId
  readonly relType: string
}

type Source = (from: HistoryPlace | undefined, limit: number) => Promise<Found[]>

/** The events that relate to one, in the order of the room's history. */
export async function readRelations(parts: ConversationParts, input: RelationsInput): Promise<RelationsPage> {
  const followed = input.recurse ? await follow(parts, input) : undefined
  const source = followed === undefined ? await directly(parts, input) : inOrder(followed.entries, input.direction)
  return { ...(await readPage(parts, input, source)), depth: followed?.depth }
}

async function readPage(parts: ConversationParts, input: RelationsInput, read: Source): Promise<Omit<RelationsPage, 'depth'>> {
  const ignored = await parts.ignoredUsers.of(input.userId)
  const start = parsePlace(input.from)
  const below = input.direction === 'b' && input.from !== undefined ? parseHistoryToken(input.from)?.below : undefined
  const end = parsePlace(input.to)
  const events: StoredEvent[] = []
  let from = start
  for (let scanned = 0; scanned < limits.implementation.relationsScannedMax;) {
    const wanted = Math.max(input.limit, 20)
    const rows = await read(from, wanted)
    const within = end === undefined ? rows : rows.filter((row) => isBefore(row, end) === (input.direction === 'f'))
    const able = within.filter(({ sender, type }) => !ignored.has(sender) && (input.eventType === undefined || type === input.eventType))
    const visible = await visibleOf(parts, able, input.userId)
    for (const row of within) {
      const event = visible.get(row.eventId)
      if (event === undefined || (below !== undefined && event.position !== undefined && event.position >= below)) continue
      if (events.length === input.limit) return { events, end: formatPlace(from ?? row) }
      events.push(event)
      from = behind(row, input.direction)
    }
    const last = within.at(-1)
    if (last === undefined || within.length < wanted) return { events, end: undefined }
    from = behind(last, input.direction)
    scanned += rows.length
  }
  return { events, end: from === undefined ? undefined : formatPlace(from) }
}

async function visibleOf(parts: ConversationParts, rows: readonly Found[], userId: UserId): Promise<Map<EventId, StoredEvent>> {
  const events = await parts.rooms.events(rows.map(({ eventId }) => eventId))
  const related = events.filter((event, index) => {
    const relation = event === undefined ? undefined : relationOf(event.pdu)
    return relation?.target === rows[index]?.target && relation?.relType === rows[index]?.relType && event?.redactedBy === undefined
  })
  const visible = await parts.visibility.filter(
    related.filter((event) => event !== undefined),
    userId,
  )
  return new Map(visible.map((event) => [event.eventId, event]))
}

/** What relates to the event itself. Where no type is named, those of all types are put together. */
async function directly({ rooms }: ConversationParts, input: RelationsInput): Promise<Source> {
  const { roomId, target, direction } = input
  const types = input.relType === undefined ? await rooms.relations.typesOf(roomId, target) : [input.relType]
  return async (from, limit) => {
    const found = await Promise.all(
      types.map(async (relType) => {
        const entries = await rooms.relations.ofType(roomId, target, relType, { direction, from, limit })
        return entries.map((entry) => ({ ...entry, target, relType }))
      }),
    )
    return found
      .flat()
      .sort((a, b) => compare(a, b, direction))
      .slice(0, limit)
  }
}

/** What relates to the event, and what relates to that, and so on: level by level, each event once. */
async function follow(
  { rooms }: ConversationParts,
  input: RelationsInput,
): Promise<{ readonly entries: readonly Found[]; readonly depth: number }> {
  const { relationsRecursionMax, relationsFollowedMax } = limits.implementation
  const entries = new Map<EventId, Found>()
  let level: readonly EventId[] = [input.target]
  for (let depth = 0; ; depth++) {
    if (level.length === 0 || depth === relationsRecursionMax) return { entries: chosen(entries, input.relType), depth }
    const next: EventId[] = []
    for (const target of level) {
      for (const relType of await rooms.relations.typesOf(input.roomId, target)) {
        const limit = relationsFollowedMax - entries.size
        if (limit <= 0) return { entries: chosen(entries, input.relType), depth: depth + 1 }
        const query = { direction: 'b', from: undefined, limit } as const
        for (const entry of await rooms.relations.ofType(input.roomId, target, relType, query)) {
          if (entries.has(entry.eventId) || entry.eventId === input.target) continue
          entries.set(entry.eventId, { ...entry, target, relType })
          next.push(entry.eventId)
        }
      }
    }
    level = next
  }
}

function chosen(entries: ReadonlyMap<EventId, Found>, relType: string | undefined): Found[] {
  return [...entries.values()].filter((entry) => relType === undefined || entry.relType === relType)
}

function inOrder(entries: readonly Found[], direction: 'b' | 'f'): Source {
  const sorted = entries.toSorted((a, b) => compare(a, b, direction))
  return async (from, limit) => {
    const rest = from === undefined ? sorted : sorted.filter((entry) => isBefore(entry, from) === (direction === 'b'))
    return rest.slice(0, limit)
  }
}

function compare(a: Found, b: Found, direction: 'b' | 'f'): number {
  const forwards = a.depth - b.depth || a.place - b.place || (a.eventId < b.eventId ? -1 : 1)
  return direction === 'f' ? forwards : -forwards
}

/** Where the next page goes on. */
function behind({ depth, place }: HistoryPlace, direction: 'b' | 'f'): HistoryPlace {
  return direction === 'b' ? { depth, place } : { depth, place: place + 1 }
}
