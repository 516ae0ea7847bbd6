import { encodeBase64Url, type RoomId, type ServerName, serverNameOf, serverNameOfRoomId, type UserId } from '@kith/matrix-protocol'
import {
  childrenOf,
  describeRoom,
  isSuggested,
  type RoomSummary,
  type SpaceSummary,
  summaryVisibleToUser,
  visibleToUser,
} from '../directory/index.ts'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { ClientApiComponents } from './components.ts'

interface RoomToVisit {
  readonly roomId: RoomId
  readonly via: readonly ServerName[]
  readonly depth: number
}

export interface WalkWish {
  readonly roomId: RoomId
  readonly suggestedOnly: boolean
  readonly maxDepth: number
}

/** A space on its way of being looked through, deepest first, for one user. */
interface Walk extends WalkWish {
  readonly userId: UserId
  readonly until: number
  /** Found so far, so that a page may be asked for again. */
  readonly found: SpaceSummary[]
  /** The next one is the last. */
  readonly toVisit: RoomToVisit[]
  readonly seen: Set<RoomId>
  /** What other servers said of rooms that are not known here. */
  readonly told: Map<RoomId, RoomSummary>
  readonly inaccessible: Set<RoomId>
}

export type WalkPage =
  | { readonly kind: 'page'; readonly rooms: readonly SpaceSummary[]; readonly next: string | undefined }
  /** The user may not see the space itself. */
  | { readonly kind: 'hidden' }
  | { readonly kind: 'bad-token' }
  /** The token belongs to a walk of another kind. */
  | { readonly kind: 'changed' }

type WalkParts = Pick<ClientApiComponents, 'rooms' | 'federation' | 'serverName' | 'ports'>

/** Walks through spaces, a page at a time. Rooms that this server is not in are asked of the servers that their parents name. */
export class SpaceWalks {
  readonly #parts: WalkParts
  readonly #walks = new Map<string, Walk>()
  readonly #turns = new KeyedQueue<string>()

  constructor(parts: WalkParts) {
    this.#parts = parts
  }

  async begin(userId: UserId, wish: WalkWish, limit: number, signal: AbortSignal): Promise<WalkPage> {
    const { clock, random } = this.#parts.ports
    const walk: Walk = {
      ...wish,
      userId,
      until: clock.now() + limits.implementation.spaceWalkLifetimeMs,
      found: [],
      toVisit: [{ roomId: wish.roomId, via: this.#serversOf(userId, wish.roomId), depth: 0 }],
      seen: new Set([wish.roomId]),
      told: new Map(),
      inaccessible: new Set(),
    }
    const page = await this.#page(encodeBase64Url(random.bytes(12)), walk, 0, limit, signal)
    return page.kind === 'page' && page.rooms[0]?.room_id !== wish.roomId ? { kind: 'hidden' } : page
  }

  async resume(userId: UserId, wish: WalkWish, token: string, limit: number, signal: AbortSignal): Promise<WalkPage> {
    const [, id = '', offset = ''] = /^(.{16})_(\d{1,6})$/.exec(token) ?? []
    const walk = this.#walks.get(id)
    const isLive = walk?.userId === userId && walk.roomId === wish.roomId && walk.until > this.#parts.ports.clock.now()
    if (walk === undefined || !isLive) return { kind: 'bad-token' }
    if (walk.suggestedOnly !== wish.suggestedOnly || walk.maxDepth !== wish.maxDepth) return { kind: 'changed' }
    return this.#turns.run(id, async () => this.#page(id, walk, Number(offset), limit, signal))
  }

  async #page(id: string, walk: Walk, offset: number, limit: number, signal: AbortSignal): Promise<WalkPage> {
    // One more than asked for, to know whether another page follows.
    while (walk.found.length <= offset + limit && walk.found.length < limits.implementation.spaceRoomsMax) {
      const next = walk.toVisit.at(-1)
      if (next === undefined) break
      const room = await this.#visit(walk, next, signal)
      // Only now: an aborted request leaves the walk as it was.
      walk.toVisit.pop()
      if (room === undefined) continue
      walk.found.push(room)
      if (next.depth < walk.maxDepth) addChildren(walk, room, next.depth + 1)
    }
    const rooms = walk.found.slice(offset, offset + limit)
    if (walk.found.length <= offset + limit) return { kind: 'page', rooms, next: undefined }
    this.#remember(id, walk)
    return { kind: 'page', rooms, next: `${id}_${offset + limit}` }
  }

  /** What the user may know of the room. */
  async #visit(walk: Walk, { roomId, via }: RoomToVisit, signal: AbortSignal): Promise<SpaceSummary | undefined> {
    const { rooms, federation } = this.#parts
    const here = describeRoom(this.#parts, roomId, walk.suggestedOnly)
    const state = rooms.state(roomId)
    if (here !== undefined && state !== undefined) return visibleToUser(rooms, walk.userId)(roomId, state) ? here : undefined
    if (walk.inaccessible.has(roomId)) return undefined
    const told = walk.told.get(roomId)
    const toldRoom = told === undefined ? undefined : { ...told, children_state: [] }
    const others = via.filter((server) => server !== this.#parts.serverName)
    const asked =
      told === undefined || told.room_type === 'm.space'
        ? await federation.hierarchy(roomId, others, walk.suggestedOnly, signal)
        : undefined
    if (asked?.kind === 'found') {
      for (const child of asked.answer.children) walk.told.set(child.room_id, child)
      for (const child of asked.answer.inaccessible_children) walk.inaccessible.add(child)
    }
    const room = asked?.kind === 'found' ? asked.answer.room : toldRoom
    if (room === undefined || !summaryVisibleToUser(rooms, walk.userId, room)) return undefined
    return walk.suggestedOnly ? { ...room, children_state: room.children_state.filter(isSuggested) } : room
  }

  #serversOf(userId: UserId, roomId: RoomId): ServerName[] {
    const inviter = this.#parts.rooms.invite(roomId, userId)?.event.sender
    const founder = serverNameOfRoomId(roomId)
    return [...(inviter === undefined ? [] : [serverNameOf(inviter)]), ...(founder === undefined ? [] : [founder])]
  }

  #remember(id: string, walk: Walk): void {
    this.#walks.delete(id)
    this.#walks.set(id, walk)
    const [oldest] = this.#walks.keys()
    if (this.#walks.size > limits.implementation.spaceWalksMax && oldest !== undefined) this.#walks.delete(oldest)
  }
}

function addChildren(walk: Walk, room: SpaceSummary, depth: number): void {
  const free = Math.max(0, limits.implementation.spaceRoomsMax - walk.toVisit.length)
  const children = childrenOf(room).filter(({ roomId }) => !walk.seen.has(roomId))
  for (const { roomId } of children.slice(0, free)) walk.seen.add(roomId)
  walk.toVisit.push(
    ...children
      .slice(0, free)
      .map((child) => ({ ...child, depth }))
      .toReversed(),
  )
}
