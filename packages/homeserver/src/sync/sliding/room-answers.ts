import { type EventId, type JsonObject, type Pdu, type RoomId, stripEvent, unreachable } from '@kith/matrix-protocol'
import { withoutIgnored } from '../../accounts/ignored-users.ts'
import type { Notifications } from '../../push/notifications.ts'
import type { Rooms, StoredEvent, TimelineSlice } from '../../rooms/index.ts'
import type { ClientEvents, EventReader } from '../client-events.ts'
import { inventedLeave, strippedEvents } from '../out-of-band-invites.ts'
import { membershipOf } from '../room-state-changes.ts'
import { strippedMember } from '../room-sections.ts'
import { redactionsKeptBack } from '../shown-redactions.ts'
import { countUnread } from '../unread-counts.ts'
import type { Visibility } from '../visibility.ts'
import type { Connection, SentRoom } from './connection.ts'
import { readFacts } from './room-facts.ts'
import type { ListedRoom } from './room-list.ts'
import type { RoomMarks } from './room-marks.ts'
import { nobody, nothingKnown, sentOf, unbrokenAfter, joinedFacts } from './sent-room.ts'
import { RoomStateNews } from './state-news.ts'
import type { WantedRoom } from './wanted-state.ts'

interface Parts {
  readonly rooms: Rooms
  readonly events: ClientEvents
  readonly visibility: Visibility
  readonly notifications: Notifications
}

export interface RoomRequest {
  readonly reader: EventReader
  readonly connection: Connection
  readonly marks: RoomMarks
  readonly ignored: ReadonlySet<string>
  readonly upTo: number
}

export interface RoomAnswer {
  readonly body: JsonObject
  /** What the timeline shows that this connection has not shown before. */
  readonly shown: ReadonlySet<EventId>
  readonly isWhole: boolean
}

/** What one answer says of one room, and what the client then knows of it. */
export class RoomAnswers {
  readonly #parts: Parts
  readonly #state: RoomStateNews

  constructor(parts: Parts) {
    this.#parts = parts
    this.#state = new RoomStateNews(parts.rooms)
  }

  /** Undefined when there is nothing to tell. */
  async read(room: ListedRoom, wanted: WantedRoom, request: RoomRequest): Promise<RoomAnswer | undefined> {
    const { as } = room
    switch (as.kind) {
      case 'gone':
        return this.#gone(room, request)
      case 'outside':
        return this.#stripped(room, request, {
          events: strippedEvents(as.invite),
          member: undefined,
          kind: as.invite.event.content['membership'] === 'knock' ? 'knock' : 'invite',
        })
      case 'member':
        switch (as.membership) {
          case 'join':
            return this.#joined(room, wanted, request)
          case 'invite':
          case 'knock':
            return this.#stripped(room, request, {
              events: this.#strippedState(room.roomId, as.member),
              member: as.member,
              kind: as.membership,
            })
          case 'leave':
          case 'ban':
            return this.#left(room, as.member, wanted, request)
          default:
            return unreachable(as.membership)
        }
      default:
        return unreachable(as)
    }
  }

  async #joined({ roomId, bumpedAt }: ListedRoom, wanted: WantedRoom, request: RoomRequest): Promise<RoomAnswer | undefined> {
    const { connection, reader, marks } = request
    const before = connection.rooms.get(roomId)
    const sent = before?.membership === 'join' ? before : undefined
    if (sent !== undefined && !this.#mayHaveNews(roomId, sent, wanted, request)) return undefined
    const facts = readFacts(this.#parts.rooms, roomId, reader.userId, wanted.state)
    if (facts === undefined) return undefined
    const news = sent === undefined ? undefined : await this.#state.news(roomId, sent, facts, wanted.state)
    // What is gone from the state cannot be told otherwise than by telling all anew.
    const known = news === 'gone' ? undefined : sent
    const state = news === 'gone' || news === undefined ? undefined : news
    const upTo = facts.activity.changedAt
    const isExpanded = known !== undefined && wanted.timelineLimit > known.unbroken
    const slice = await this.#parts.rooms.timelineSince(
      roomId,
      known === undefined || isExpanded ? 0 : known.position,
      wanted.timelineLimit,
      upTo,
    )
    const timeline = await this.#timeline(slice, isExpanded ? undefined : known, request)
    const lazy = wanted.state.lazyMembers
      ? await this.#state.membersOf(roomId, timeline, known?.members ?? nobody, {
          reader,
          position: upTo,
          snapshot: facts.activity.snapshot,
        })
      : []
    const required = distinct([...(state?.events ?? facts.wanted), ...lazy])
    const counts = await countUnread(this.#parts.notifications, roomId, { userId: reader.userId, ignored: request.ignored })
    const isDirect = marks.direct.has(roomId)
    connection.rooms.set(roomId, {
      ...sentOf(facts, wanted, known?.members ?? nobody, required),
      unbroken: unbrokenAfter(known, slice, wanted.timelineLimit, isExpanded),
      isDirect,
      notificationCount: counts.notification_count,
      highlightCount: counts.highlight_count,
    })
    connection.countsOwed.delete(roomId)
    const hasNews =
      known === undefined ||
      slice.events.length > 0 ||
      required.length > 0 ||
      isDirect !== known.isDirect ||
      counts.notification_count !== known.notificationCount ||
      counts.highlight_count !== known.highlightCount
    if (!hasNews) return undefined
    const since = connection.hasBegun ? connection.progress.position : Number.MAX_SAFE_INTEGER
    const body = {
      ...joinedFacts(facts, wanted, known === undefined ? undefined : state),
      ...(isDirect || known?.isDirect === true ? { is_dm: isDirect } : {}),
      bump_stamp: bumpedAt,
      required_state: await this.#format(required, reader),
      timeline: await this.#format(timeline, reader),
      limited: slice.limited,
      prev_batch: slice.prevBatch,
      num_live: timeline.filter((event) => (event.position ?? 0) > since).length,
      ...(isExpanded ? { unstable_expanded_timeline: true, expanded_timeline: true } : {}),
      ...counts,
    } as unknown as JsonObject
    return { body, shown: new Set(timeline.map((event) => event.eventId)), isWhole: known === undefined || isExpanded }
  }

  #mayHaveNews(roomId: RoomId, sent: SentRoom, wanted: WantedRoom, { connection, marks }: RoomRequest): boolean {
    return (
      (this.#parts.rooms.activity(roomId)?.changedAt ?? 0) > sent.position ||
      wanted.timelineLimit > sent.unbroken ||
      wanted.state.name !== sent.wantedName ||
      marks.direct.has(roomId) !== sent.isDirect ||
      connection.countsOwed.get(roomId) === true
    )
  }

  async #left(
    { roomId, bumpedAt }: ListedRoom,
    member: StoredEvent,
    wanted: WantedRoom,
    request: RoomRequest,
  ): Promise<RoomAnswer | undefined> {
    const { connection, reader } = request
    const { rooms, visibility } = this.#parts
    const sent = connection.rooms.get(roomId)
    if (sent?.memberEventId === member.eventId) return undefined
    const stay = await visibility.lastStay(roomId, reader.userId)
    const after = sent?.membership === 'join' ? sent.position : 0
    let slice: TimelineSlice = { ...(await rooms.timelineSince(roomId, 0, 0, member.position)), events: [member], limited: false }
    let required: readonly StoredEvent[] = [member]
    if (stay.kind === 'ended' && stay.position > after) {
      const inside = await rooms.timelineSince(roomId, after, wanted.timelineLimit, stay.position)
      const events = await this.#visible(inside.events, request)
      slice = { ...inside, events: distinct([...events, member]) }
      required = distinct([...(await this.#state.at(roomId, stay.position, sent, wanted.state)), member])
    }
    this.#markOver(roomId, connection, member)
    const body = {
      ...(sent === undefined ? { initial: true } : {}),
      membership: membershipOf(member),
      bump_stamp: bumpedAt,
      required_state: await this.#format(required, reader),
      timeline: await this.#format(slice.events, reader),
      limited: slice.limited,
      prev_batch: slice.prevBatch,
      num_live: connection.hasBegun ? slice.events.length : 0,
    } as unknown as JsonObject
    return { body, shown: new Set(), isWhole: false }
  }

  #strippedState(roomId: RoomId, member: StoredEvent): JsonObject[] {
    const state = this.#parts.rooms.strippedStateFor(roomId, [member.pdu.sender]) as unknown as Pdu[]
    return [...state.filter((pdu) => pdu.state_key !== member.pdu.state_key).map(stripEvent), strippedMember(member)]
  }

  #stripped(
    { roomId, bumpedAt }: ListedRoom,
    { connection, marks }: RoomRequest,
    { events, member, kind }: { readonly events: readonly JsonObject[]; readonly member: StoredEvent | undefined; readonly kind: string },
  ): RoomAnswer | undefined {
    const sent = connection.rooms.get(roomId)
    const isDirect = marks.direct.has(roomId)
    const position = bumpedAt
    if (sent?.membership === kind && sent.memberEventId === member?.eventId && sent.position === position && sent.isDirect === isDirect)
      return undefined
    connection.rooms.set(roomId, { ...nothingKnown, membership: kind, memberEventId: member?.eventId, position, isDirect })
    const body = {
      initial: true,
      membership: kind,
      bump_stamp: bumpedAt,
      ...(isDirect || sent?.isDirect === true ? { is_dm: isDirect } : {}),
      invite_state: events,
    }
    return { body: body as unknown as JsonObject, shown: new Set(), isWhole: false }
  }

  #gone({ roomId, bumpedAt }: ListedRoom, { connection, reader, upTo }: RoomRequest): RoomAnswer {
    const event = inventedLeave(roomId, reader.userId, upTo)
    this.#markOver(roomId, connection, undefined)
    const body = { membership: 'leave', bump_stamp: bumpedAt, required_state: [event], timeline: [event], limited: false, num_live: 1 }
    return { body, shown: new Set(), isWhole: false }
  }

  #markOver(roomId: RoomId, connection: Connection, member: StoredEvent | undefined): void {
    connection.rooms.set(roomId, { ...nothingKnown, membership: 'leave', memberEventId: member?.eventId })
    // Whoever comes back is told of everything anew.
    for (const ledger of [
      connection.receipts,
      connection.receiptsOwed,
      connection.receiptsHeld,
      connection.countsOwed,
      connection.accountData,
      connection.typing,
    ])
      ledger.delete(roomId)
  }

  async #timeline(slice: TimelineSlice, known: SentRoom | undefined, request: RoomRequest): Promise<readonly StoredEvent[]> {
    // Whoever has a gap looks back, and finds what was kept back in its place.
    if (known === undefined || slice.limited) return this.#visible(slice.events, request)
    return this.#visible([...slice.events, ...(await redactionsKeptBack(this.#parts.rooms, slice.events, known.position))], request)
  }

  async #visible(events: readonly StoredEvent[], { reader, ignored }: RoomRequest): Promise<readonly StoredEvent[]> {
    return withoutIgnored(await this.#parts.visibility.filter(events, reader.userId), ignored)
  }

  async #format(events: readonly StoredEvent[], reader: EventReader): Promise<unknown[]> {
    return this.#parts.events.withoutRoomId(events, reader)
  }
}

function distinct(events: readonly StoredEvent[]): StoredEvent[] {
  return [...new Map(events.map((event) => [event.eventId, event])).values()]
}
