import { type JsonObject, type Pdu, type RoomId, stateKeyOf, stripEvent, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms, StoredEvent, TimelineSlice } from '../rooms/index.ts'
import type { ClientEvents, EventReader } from './client-events.ts'
import { inventedLeave } from './out-of-band-invites.ts'
import { memberOfKey, membershipOf, type RoomStateChanges } from './room-state-changes.ts'
import { summaryOf } from './room-summary.ts'
import { SentMembers } from './sent-members.ts'
import { StateSections } from './state-section.ts'
import type { StatesBetween } from './states-between.ts'
import type { SyncFilter } from './sync-filter.ts'
import { formatEvents, readTimeline, type ShownTimeline, type TimelineSection } from './timeline-section.ts'
import type { Visibility } from './visibility.ts'

/** `state` is what precedes the timeline; the others include what the timeline changed (MSC4222, spec v1.16). */
export type StateName = 'state' | 'state_after' | 'org.matrix.msc4222.state_after'

export interface SyncRequest {
  readonly reader: EventReader
  /** Where the answer begins; undefined: an initial sync. */
  readonly after: number | undefined
  /** Up to where the client has what it was told; before `after` when there was nothing to tell in between. */
  readonly since: number | undefined
  readonly upTo: number
  /** From `after` to `upTo`. */
  readonly states: StatesBetween
  readonly filter: SyncFilter
  readonly fullState: boolean
  readonly stateName: StateName
  /** Users of whom the reader wants to hear nothing. */
  readonly ignored: ReadonlySet<string>
  /** Which rooms lack members at `upTo`. */
  readonly partialRooms: ReadonlySet<RoomId>
}

export type RoomSection =
  | {
      readonly kind: 'join'
      readonly newlyJoined: boolean
      /** Nothing but the counts of the room can be news. */
      readonly isBare: boolean
      readonly mayLowerCounts: boolean
      readonly timeline: TimelineSection
      readonly state: JsonObject
      readonly summary: JsonObject | undefined
    }
  | { readonly kind: 'leave'; readonly timeline: TimelineSection; readonly state: JsonObject }
  | { readonly kind: 'invite'; readonly invite_state: { readonly events: readonly JsonObject[] } }
  | { readonly kind: 'knock'; readonly knock_state: { readonly events: readonly JsonObject[] } }

interface Parts {
  readonly rooms: Rooms
  readonly events: ClientEvents
  readonly visibility: Visibility
}

/** What one sync says of one room that this server holds. */
export class RoomSections {
  readonly #parts: Parts
  readonly #states: StateSections

  constructor(parts: Parts) {
    this.#parts = parts
    this.#states = new StateSections({ ...parts, sentMembers: new SentMembers() })
  }

  /**
   * Undefined when there is nothing to tell.
   * @param isRevealed the reader was not shown the room before, though it was there.
   */
  async read(roomId: RoomId, request: SyncRequest, isRevealed: boolean): Promise<RoomSection | undefined> {
    const { userId } = request.reader
    const between = await request.states.of(roomId)
    const changes = isRevealed ? between.fromNothing() : between
    const member = await changes.memberAfter(userId)
    const earlier = await changes.memberBefore(userId)
    switch (membershipOf(member)) {
      case 'join':
        return this.#joined(roomId, request, changes, membershipOf(earlier) !== 'join')
      case 'invite':
        return this.#isOldOrIgnored(request, member, earlier)
          ? undefined
          : { kind: 'invite', invite_state: { events: this.#stripped(roomId, userId, member) } }
      case 'knock':
        return !request.fullState && member?.eventId === earlier?.eventId
          ? undefined
          : { kind: 'knock', knock_state: { events: this.#stripped(roomId, userId, member) } }
      case 'leave':
      case 'ban':
        return this.#left(roomId, request, { member, earlier })
      default:
        return membershipOf(earlier) === 'join' ? this.#displaced(roomId, request) : undefined
    }
  }

  #isOldOrIgnored(request: SyncRequest, invite: StoredEvent | undefined, earlier: StoredEvent | undefined): boolean {
    if (!request.fullState && invite?.eventId === earlier?.eventId) return true
    return invite !== undefined && request.ignored.has(invite.pdu.sender)
  }

  /** Something beside the join took its ground, and so there is no event that ends the stay; clients need one to see it end. */
  async #displaced(roomId: RoomId, request: SyncRequest): Promise<RoomSection> {
    const { rooms } = this.#parts
    const nothing = await rooms.timelineSince(roomId, request.upTo, 0, request.upTo)
    const event = inventedLeave(roomId, request.reader.userId, request.upTo)
    const events = [event] as unknown as TimelineSection['events']
    return {
      kind: 'leave',
      timeline: { events, limited: false, prev_batch: nothing.prevBatch },
      state: { [request.stateName]: { events: request.stateName === 'state' ? [] : [event] } },
    }
  }

  async #joined(roomId: RoomId, request: SyncRequest, changes: RoomStateChanges, newlyJoined: boolean): Promise<RoomSection> {
    const { rooms } = this.#parts
    const isWhole = newlyJoined || request.fullState
    const known = isWhole ? changes.fromNothing() : changes
    const slice = await this.#slice(roomId, newlyJoined ? 0 : (request.after ?? 0), request.upTo, request)
    const changed = await known.changed()
    const mayCount = isWhole || changed.keys().some((key) => memberOfKey(key) !== undefined)
    const current = rooms.state(roomId)
    return {
      kind: 'join',
      newlyJoined,
      isBare: !isWhole && changed.size === 0 && slice.events.length === 0 && !slice.limited,
      mayLowerCounts: slice.mayLowerCounts,
      timeline: await this.#timeline(slice, request),
      state: await this.#states.read(request, { roomId, known, changed, timeline: slice.events, isWhole }),
      summary: current !== undefined && mayCount ? summaryOf(current, request.reader.userId) : undefined,
    }
  }

  async #left(
    roomId: RoomId,
    request: SyncRequest,
    moment: { readonly member: StoredEvent | undefined; readonly earlier: StoredEvent | undefined },
  ): Promise<RoomSection | undefined> {
    const { rooms, visibility } = this.#parts
    const { member, earlier } = moment
    if (member === undefined || (request.after === undefined && !request.filter.includeLeave)) return undefined
    if (member.eventId === earlier?.eventId || (membershipOf(earlier) === 'leave' && membershipOf(member) === 'leave')) return undefined
    const stay = await visibility.lastStay(roomId, request.reader.userId)
    // Whoever was not inside since the last answer sees no more than their own membership.
    if (stay.kind !== 'ended' || stay.position <= (request.after ?? 0)) {
      const only: TimelineSlice = { ...(await rooms.timelineSince(roomId, 0, 0, member.position)), events: [member], limited: false }
      const timeline = await this.#timeline(only, request)
      const state = { [request.stateName]: { events: request.stateName === 'state' ? [] : timeline.events } }
      return { kind: 'leave', timeline, state }
    }
    const changes = (await request.states.of(roomId)).until(await rooms.stateAt(roomId, stay.position))
    const inside = await this.#slice(roomId, request.after ?? 0, stay.position, request)
    // What became of the membership after the leave, such as a ban, is the user's to know; the rest is not.
    const slice = stay.by.eventId === member.eventId ? inside : { ...inside, events: [...inside.events, member] }
    const changed = new Map(await changes.changed()).set(stateKeyOf('m.room.member', request.reader.userId), member.eventId)
    return {
      kind: 'leave',
      timeline: await this.#timeline(slice, request),
      state: await this.#states.read(request, {
        roomId,
        known: changes,
        changed,
        timeline: slice.events,
        isWhole: request.after === undefined,
      }),
    }
  }

  async #slice(roomId: RoomId, after: number, upTo: number, request: SyncRequest): Promise<ShownTimeline> {
    const { syncTimelineEventsDefault, syncTimelineEventsCatchUpDefault } = limits.implementation
    const standard = request.after === undefined ? syncTimelineEventsDefault : syncTimelineEventsCatchUpDefault
    return readTimeline(this.#parts, roomId, { after, upTo }, { ...request, limit: request.filter.timeline.limit ?? standard })
  }

  async #timeline(slice: TimelineSlice, request: SyncRequest): Promise<TimelineSection> {
    const events = await formatEvents(this.#parts.events, slice.events, request)
    return { events, limited: slice.limited, prev_batch: slice.prevBatch }
  }

  #stripped(roomId: RoomId, userId: UserId, member: StoredEvent | undefined): JsonObject[] {
    const { rooms } = this.#parts
    const state = rooms.strippedStateFor(roomId, member === undefined ? [] : [member.pdu.sender]) as unknown as Pdu[]
    return [...state.filter((pdu) => pdu.state_key !== userId).map(stripEvent), ...(member === undefined ? [] : [strippedMember(member)])]
  }
}

/** With the id, by which clients recognise a repeated invite. */
export function strippedMember(member: StoredEvent): JsonObject {
  return { ...stripEvent(member.pdu), event_id: member.eventId, origin_server_ts: member.pdu.origin_server_ts }
}
