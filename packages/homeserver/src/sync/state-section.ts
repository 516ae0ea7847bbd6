import { type EventId, type JsonObject, parseUserId, type RoomId, type StateKey, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import type { ClientEvents } from './client-events.ts'
import { heroesOf } from './room-summary.ts'
import type { SyncRequest } from './room-sections.ts'
import { memberOfKey, membershipOf, type RoomStateChanges } from './room-state-changes.ts'
import type { SentMembers } from './sent-members.ts'
import { formatEvents } from './timeline-section.ts'

export interface StateWish {
  readonly roomId: RoomId
  readonly known: RoomStateChanges
  /** What changed until the end of the answer. */
  readonly changed: ReadonlyMap<StateKey, EventId>
  /** What the timeline of the answer shows. */
  readonly timeline: readonly StoredEvent[]
  /** The client knows nothing of the room's state. */
  readonly isWhole: boolean
}

/** The state that goes beside a timeline. */
export class StateSections {
  readonly #parts: { readonly rooms: Rooms; readonly events: ClientEvents; readonly sentMembers: SentMembers }

  constructor(parts: { readonly rooms: Rooms; readonly events: ClientEvents; readonly sentMembers: SentMembers }) {
    this.#parts = parts
  }

  /** The member of the section that holds state, under the name that the client asked for. */
  async read(request: SyncRequest, wish: StateWish): Promise<JsonObject> {
    const ids = request.stateName === 'state' ? await this.#besideTimeline(wish) : new Map(wish.changed)
    const lazy = request.filter.state.lazyLoadMembers
    const wanted = lazy ? await this.#withLazyMembers(request, wish, ids) : ids
    const { rooms, events } = this.#parts
    const found = (await rooms.events([...wanted.values()])).filter((event) => event !== undefined)
    const { state: filter } = request.filter
    const accepted = filter.acceptsRoom(wish.roomId) ? found.filter((event) => filter.accepts(event.pdu)) : []
    if (lazy) this.#noteMembers(request, wish, accepted)
    return { [request.stateName]: { events: await formatEvents(events, accepted, request) } }
  }

  /**
   * Clients apply the timeline to what stands in `state`. So it holds what precedes the timeline of the entries that the timeline
   * changes; of the others what they have become, or a change that the timeline does not show would be lost.
   */
  async #besideTimeline({ known, changed, timeline }: StateWish): Promise<Map<StateKey, EventId>> {
    const inTimeline = new Set(timeline.flatMap(({ pdu }) => (pdu.state_key === undefined ? [] : [stateKeyOf(pdu.type, pdu.state_key)])))
    const ids = new Map([...changed].filter(([key]) => !inTimeline.has(key)))
    if (inTimeline.size === 0) return ids
    for (const [key, eventId] of await known.changedUntil(timeline[0])) if (inTimeline.has(key)) ids.set(key, eventId)
    return ids
  }

  /**
   * Of a room that is new to the client only the members that it needs; and always those who sent what the timeline shows, unless it
   * has been told of them. Members that changed are told as they are.
   * @see https://spec.matrix.org/latest/client-server-api/#lazy-loading-room-members
   */
  async #withLazyMembers(
    request: SyncRequest,
    wish: StateWish,
    ids: ReadonlyMap<StateKey, EventId>,
  ): Promise<ReadonlyMap<StateKey, EventId>> {
    const reader = request.reader.userId
    const senders = new Set(wish.timeline.flatMap(({ pdu }) => parseUserId(pdu.sender) ?? []))
    const wanted = new Map(ids)
    if (wish.isWhole) {
      const needed = new Set<string>([reader, ...senders, ...this.#heroes(request, wish)])
      for (const key of ids.keys()) if (!needed.has(memberOfKey(key) ?? reader)) wanted.delete(key)
      return wanted
    }
    // With the members the heroes may have become others.
    const heroes = [...ids.keys()].some((key) => memberOfKey(key) !== undefined) ? this.#heroes(request, wish) : []
    for (const userId of senders.union(new Set(heroes))) {
      const key = stateKeyOf('m.room.member', userId)
      const eventId = wanted.has(key) ? undefined : await this.#memberId(request, wish, userId)
      if (eventId !== undefined && !this.#isRedundant(request, wish.roomId, userId, eventId)) wanted.set(key, eventId)
    }
    return wanted
  }

  #heroes({ reader }: SyncRequest, { roomId }: StateWish): UserId[] {
    const state = this.#parts.rooms.state(roomId)
    return state === undefined ? [] : heroesOf(state, reader.userId)
  }

  /** As with the other entries: what precedes the timeline where that changes it, and otherwise what it has become. */
  async #memberId({ stateName }: SyncRequest, { known, timeline }: StateWish, userId: UserId): Promise<EventId | undefined> {
    const [first] = timeline
    const isInTimeline = timeline.some(({ pdu }) => pdu.type === 'm.room.member' && pdu.state_key === userId)
    if (stateName !== 'state' || first?.stateBefore === undefined || !isInTimeline) return (await known.memberAfter(userId))?.eventId
    return this.#parts.rooms.stateIdBefore(first, 'm.room.member', userId)
  }

  #isRedundant({ reader, filter, since }: SyncRequest, roomId: RoomId, userId: UserId, eventId: EventId): boolean {
    return !filter.state.includeRedundantMembers && this.#parts.sentMembers.has(reader, roomId, userId, eventId, since)
  }

  #noteMembers({ reader, upTo, after }: SyncRequest, { roomId, timeline }: StateWish, told: readonly StoredEvent[]): void {
    const members = [...told, ...timeline].flatMap((event) => {
      const userId = membershipOf(event) === undefined || event.pdu.type !== 'm.room.member' ? undefined : parseUserId(event.pdu.state_key)
      return userId === undefined ? [] : [[userId, event.eventId] as const]
    })
    if (members.length > 0) this.#parts.sentMembers.note(reader, roomId, members, upTo, after === undefined)
  }
}
