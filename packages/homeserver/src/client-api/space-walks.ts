import { encodeBase64Url, type RoomId, type ServerName, serverNameOf, serverNameOfRoomId, type UserId } from '@kith/matrix-protocol'
import {
  childrenOf,
  describeRoom,
  isSuggested,
  type RoomSummary,
  type SpaceAnswer,
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
  /** What the server that described the parent said of this room. */
  readonly told: RoomSummary | undefined
  /** That server would not let this one see the room. */
  readonly isInaccessible: boolean
}

interface Visited {
  readonly room: SpaceSummary
  readonly children: readonly Omit<RoomToVisit, 'depth'>[]
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
      toVisit: [{ roomId: wish.roomId, via: this.#serversOf(userId, wish.roomId), depth: 0, told: undefined, isInaccessible: false }],
      seen: new Set([wish.roomId]),
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
    const { clock } = this.#parts.ports
    const until = clock.now() + limits.implementation.spacePagePatienceMs
    // One more than asked for, to know whether another page follows.
    while (walk.found.length <= offset + limit && walk.found.length < limits.implementation.spaceRoomsMax && clock.now() < until) {
      const next = walk.toVisit.at(-1)
      if (next === undefined) break
      const visited = await this.#visit(walk, next, signal)
      // Only now: an aborted request leaves the walk as it was.
      walk.toVisit.pop()
      if (visited === undefined) continue
      walk.found.push(visited.room)
      if (next.depth < walk.maxDepth) addChildren(walk, visited.children, next.depth + 1)
    }
    const rooms = walk.found.slice(offset, offset + limit)
    const isFull = walk.found.length >= limits.implementation.spaceRoomsMax
    const isLast = walk.found.length <= offset + limit && (walk.toVisit.length === 0 || isFull)
    if (isLast) return { kind: 'page', rooms, next: undefined }
    this.#remember(id, walk)
    return { kind: 'page', rooms, next: `${id}_${offset + rooms.length}` }
  }

  /** What the user may know of the room. Whoever describes it is believed about it and, for want of better, about the rooms in it. */
  async #visit(walk: Walk, { roomId, via, told, isInaccessible }: RoomToVisit, signal: AbortSignal): Promise<Visited | undefined> {
    const { rooms, federation, serverName } = this.#parts
    const here = describeRoom(this.#parts, roomId, walk.suggestedOnly)
    const state = rooms.state(roomId)
    if (here !== undefined && state !== undefined) {
      return visibleToUser(rooms, walk.userId)(roomId, state) ? { room: here, children: childrenToVisit(here, undefined) } : undefined
    }
    if (isInaccessible) return undefined
    const others = via.filter((server) => server !== serverName)
    const isWorthAsking = told === undefined || told.room_type === 'm.space'
    const asked = isWorthAsking ? await federation.hierarchy(roomId, others, walk.suggestedOnly, signal) : undefined
    const answer = asked?.kind === 'found' ? asked.answer : undefined
    const room = answer?.room ?? (told === undefined ? undefined : { ...told, children_state: [] })
    if (room === undefined || !summaryVisibleToUser(rooms, walk.userId, room)) return undefined
    const shown = walk.suggestedOnly ? { ...room, children_state: room.children_state.filter(isSuggested) } : room
    return { room: shown, children: childrenToVisit(shown, answer) }
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

function childrenToVisit(space: SpaceSummary, answer: SpaceAnswer | undefined): Visited['children'] {
  const told = new Map(answer?.children.map((child) => [child.room_id, child]))
  const inaccessible = new Set(answer?.inaccessible_children)
  return childrenOf(space).map((child) => ({
    ...child,
    told: told.get(child.roomId),
    isInaccessible: inaccessible.has(child.roomId),
  }))
}

function addChildren(walk: Walk, children: Visited['children'], depth: number): void {
  const free = Math.max(0, limits.implementation.spaceRoomsMax - walk.toVisit.length)
  const unseen = children.filter(({ roomId }) => !walk.seen.has(roomId)).slice(0, free)
  for (const { roomId } of unseen) walk.seen.add(roomId)
  walk.toVisit.push(...unseen.map((child) => ({ ...child, depth })).toReversed())
}
