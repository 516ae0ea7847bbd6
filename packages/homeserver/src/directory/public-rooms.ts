import {
  compareCodePoints,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseRoomId,
  type RoomId,
  type ServerName,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms } from '../rooms/index.ts'
import type { PublishedRooms } from './published-rooms.ts'
import { parseSummary, type RoomSummary, summaryOf } from './room-summary.ts'

/** Which of the published rooms somebody wants. */
export interface PublicRoomsQuery {
  /** Zero: as many as one answer may hold. */
  readonly limit: number
  /** A token of an earlier answer. */
  readonly since: string | undefined
  readonly searchTerm: string | undefined
  /** Null stands for rooms without a type. Undefined: all types. */
  readonly roomTypes: readonly (string | null)[] | undefined
}

export interface PublicRoomsPage {
  readonly chunk: readonly RoomSummary[]
  readonly next_batch?: string
  readonly prev_batch?: string
  readonly total_room_count_estimate?: number
}

/** Where a page begins: after or before a room, in the order of the list. A room's place may have changed since; the token still means one. */
interface PageToken {
  readonly direction: 'after' | 'before'
  readonly members: number
  readonly roomId: RoomId
}

const tokenPattern = /^([np])(\d{1,15})_(.+)$/

/**
 * A page of the rooms that this server publishes and is in, the largest first.
 * @returns 'bad-token' for a `since` that is none.
 * @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1publicrooms
 */
export function listPublicRooms(
  parts: { readonly rooms: Rooms; readonly published: Pick<PublishedRooms, 'all'>; readonly serverName: ServerName },
  query: PublicRoomsQuery,
): PublicRoomsPage | 'bad-token' {
  const token = query.since === undefined ? undefined : parseToken(query.since)
  if (query.since !== undefined && token === undefined) return 'bad-token'
  const rooms = publishedSummaries(parts).filter((room) => matches(room, query))
  rooms.sort(compareRooms)
  const { publicRoomsPageMax } = limits.implementation
  const limit = query.limit === 0 ? publicRoomsPageMax : Math.min(query.limit, publicRoomsPageMax)
  const [from, to] = pageBounds(rooms, token, limit)
  const chunk = rooms.slice(from, to)
  const [first, last] = [chunk[0], chunk.at(-1)]
  return {
    chunk,
    total_room_count_estimate: rooms.length,
    ...(last !== undefined && to < rooms.length ? { next_batch: formatToken('n', last) } : {}),
    ...(first !== undefined && from > 0 ? { prev_batch: formatToken('p', first) } : {}),
  }
}

/** A list as another server gives it. */
export function parsePublicRooms(body: JsonObject): PublicRoomsPage | undefined {
  const chunk: JsonValue = body['chunk'] ?? null
  if (!Array.isArray(chunk)) return undefined
  const { publicRoomsPageMax, roomSummaryCharactersMax } = limits.implementation
  const summaries = chunk.slice(0, publicRoomsPageMax).flatMap((room: JsonValue) => parseSummary(room, roomSummaryCharactersMax) ?? [])
  const token = (name: string): string | undefined => {
    const value = body[name]
    return typeof value === 'string' && value.length <= roomSummaryCharactersMax ? value : undefined
  }
  const [next, previous, total] = [token('next_batch'), token('prev_batch'), body['total_room_count_estimate']]
  return {
    chunk: summaries,
    ...(next === undefined ? {} : { next_batch: next }),
    ...(previous === undefined ? {} : { prev_batch: previous }),
    ...(Number.isSafeInteger(total) ? { total_room_count_estimate: total as number } : {}),
  }
}

/** The filter of a request's body, as clients and servers send it. Undefined when it is malformed. */
export function parseRoomsFilter(value: JsonValue | undefined): Pick<PublicRoomsQuery, 'searchTerm' | 'roomTypes'> | undefined {
  if (value === undefined || value === null) return { searchTerm: undefined, roomTypes: undefined }
  if (!isJsonObject(value)) return undefined
  const { generic_search_term: term, room_types: types } = value
  if (term !== undefined && term !== null && typeof term !== 'string') return undefined
  const searchTerm =
    typeof term === 'string' && term !== '' ? term.slice(0, limits.implementation.publicRoomsSearchCharactersMax) : undefined
  if (types === undefined || types === null) return { searchTerm, roomTypes: undefined }
  if (!Array.isArray(types) || types.length > limits.implementation.publicRoomsPageMax) return undefined
  const roomTypes: (string | null)[] = []
  for (const type of types as readonly JsonValue[]) {
    if (type !== null && typeof type !== 'string') return undefined
    roomTypes.push(type)
  }
  return { searchTerm, roomTypes }
}

function publishedSummaries(parts: {
  readonly rooms: Rooms
  readonly published: Pick<PublishedRooms, 'all'>
  readonly serverName: ServerName
}): RoomSummary[] {
  return [...parts.published.all()].flatMap((roomId) => {
    const state = parts.rooms.state(roomId)
    const version = parts.rooms.version(roomId)
    // Nothing is known of what became of a room after this server left it.
    return state === undefined || version === undefined || !state.isJoined(parts.serverName) ? [] : [summaryOf(roomId, state, version.id)]
  })
}

function matches(room: RoomSummary, { searchTerm, roomTypes }: PublicRoomsQuery): boolean {
  if (roomTypes !== undefined && !roomTypes.includes(room.room_type ?? null)) return false
  if (searchTerm === undefined) return true
  const wanted = searchTerm.toLowerCase()
  return [room.name, room.topic, room.canonical_alias].some((text) => text?.toLowerCase().includes(wanted) === true)
}

function compareRooms(
  a: Pick<RoomSummary, 'num_joined_members' | 'room_id'>,
  b: Pick<RoomSummary, 'num_joined_members' | 'room_id'>,
): number {
  return b.num_joined_members - a.num_joined_members || compareCodePoints(a.room_id, b.room_id)
}

function pageBounds(rooms: readonly RoomSummary[], token: PageToken | undefined, limit: number): readonly [number, number] {
  if (token === undefined) return [0, Math.min(limit, rooms.length)]
  const place = { num_joined_members: token.members, room_id: token.roomId }
  if (token.direction === 'after') {
    const from = rooms.filter((room) => compareRooms(room, place) <= 0).length
    return [from, Math.min(from + limit, rooms.length)]
  }
  const to = rooms.filter((room) => compareRooms(room, place) < 0).length
  return [Math.max(0, to - limit), to]
}

function formatToken(kind: 'n' | 'p', room: RoomSummary): string {
  return `${kind}${room.num_joined_members}_${room.room_id}`
}

function parseToken(text: string): PageToken | undefined {
  const [, kind, members, room] = tokenPattern.exec(text) ?? []
  const roomId = parseRoomId(room)
  if (roomId === undefined) return undefined
  return { direction: kind === 'n' ? 'after' : 'before', members: Number(members), roomId }
}
