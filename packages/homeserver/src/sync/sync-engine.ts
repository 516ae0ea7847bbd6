import type { JsonObject, RoomId, UserId } from '@kith/matrix-protocol'
import type { AccountData, AccountDataEntry } from '../accounts/account-data.ts'
import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import type { Ephemeral } from '../ephemeral/index.ts'
import type { PresenceState } from '../ephemeral/presence.ts'
import type { Keys } from '../keys/keys.ts'
import type { ToDevice } from '../keys/to-device.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Storage } from '../ports/storage.ts'
import type { Notifications } from '../push/notifications.ts'
import type { PushRules } from '../push/push-rules.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { ClientEvents, type EventAggregations, type EventReader } from './client-events.ts'
import { deviceListChanges } from './device-list-section.ts'
import { type Changes, JoinedExtras } from './joined-extras.ts'
import { readOutOfBandInvites } from './out-of-band-invites.ts'
import { presenceEvents } from './presence-section.ts'
import { type RoomSection, RoomSections, type StateName, type SyncRequest } from './room-sections.ts'
import { readSharingChanges, sameSharing } from './sharing-changes.ts'
import { StatesBetween } from './states-between.ts'
import { readStreamChanges, type StreamChanges } from './stream-changes.ts'
import { StreamWatch } from './stream-watch.ts'
import { isEmptyAnswer, type SyncAnswer } from './sync-answer.ts'
import type { SyncFilter } from './sync-filter.ts'
import { formatSyncToken, type SyncToken } from './sync-token.ts'
import { WaitingPolls } from './waiting-polls.ts'
import type { Visibility } from './visibility.ts'

export interface SyncParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly visibility: Visibility
  readonly accountData: AccountData
  readonly ignoredUsers: IgnoredUsers
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly ephemeral: Ephemeral
  readonly pushRules: PushRules
  readonly notifications: Notifications
  readonly clock: Clock
  readonly aggregations: EventAggregations
  /** Rooms that users left and want to hear no more of. */
  readonly forgotten: { has(userId: UserId, roomId: RoomId): boolean }
}

export interface SyncInput {
  readonly reader: EventReader
  readonly since: SyncToken | undefined
  readonly filter: SyncFilter
  readonly fullState: boolean
  readonly stateName: StateName
  /** What the poll says of its user. */
  readonly presence: PresenceState
  /** How long to wait for something to tell. */
  readonly timeoutMs: number
}

/**
 * Answers /sync from the timeline's stream.
 *
 * Invariants:
 * 1. An answer covers exactly the stretch of the stream between `since` and its `next_batch`; a token stays good over restarts.
 * 2. To-device messages stay stored until a request comes whose `since` lies behind them.
 * 3. The work for one answer is bounded by what the user's rooms hold, not by how long the client was away.
 */
export class SyncEngine {
  readonly events: ClientEvents
  readonly visibility: Visibility
  readonly watch: StreamWatch
  readonly polls: WaitingPolls
  readonly #parts: SyncParts
  readonly #sections: RoomSections
  readonly #extras: JoinedExtras

  constructor(parts: SyncParts) {
    this.#parts = parts
    this.visibility = parts.visibility
    this.events = new ClientEvents(parts)
    this.#sections = new RoomSections({ ...parts, events: this.events })
    this.#extras = new JoinedExtras(parts)
    this.watch = new StreamWatch(parts)
    this.polls = new WaitingPolls(parts.clock, this.watch)
  }

  async sync(input: SyncInput, signal: AbortSignal): Promise<SyncAnswer> {
    const { clock, timeline, toDevice } = this.#parts
    const { reader, since } = input
    using _connected = this.#parts.ephemeral.presence.connect(reader.userId, reader.deviceId, input.presence)
    if (since !== undefined) await toDevice.acknowledge(reader.userId, reader.deviceId, since.inbox)
    const deadline = clock.now() + Math.min(input.timeoutMs, limits.implementation.syncTimeoutMaxMs)
    let from = since === undefined ? undefined : { position: Math.min(since.position, timeline.position), inbox: since.inbox }
    for (let isLast = false; ;) {
      signal.throwIfAborted()
      const upTo = timeline.position
      const answer = await this.#answer(input, from, upTo)
      const remaining = deadline - clock.now()
      if (from === undefined || input.fullState || isLast || remaining <= 0 || !isEmptyAnswer(answer, reader.userId)) return answer
      const { woken, quietUpTo } = await this.polls.wait(reader, upTo, remaining, signal)
      isLast = !woken
      // Nothing up to here concerned this client, so the next look begins here.
      from = { position: quietUpTo, inbox: quietUpTo }
    }
  }

  /** For /keys/changes: what the syncs between two positions told of device lists. */
  async deviceListChanges(reader: EventReader, after: number, upTo: number): Promise<SyncAnswer['device_lists']> {
    const { rooms, keys, timeline } = this.#parts
    const stretch = { reader: reader.userId, after, upTo: Math.min(upTo, timeline.position) }
    const changes = await readStreamChanges(timeline, reader.userId, after, stretch.upTo)
    const states = new StatesBetween(rooms, after, stretch.upTo)
    const sharing = await readSharingChanges({ rooms, states }, reader.userId, changes)
    return deviceListChanges({ rooms, keys }, stretch, sharing, changes.deviceLists)
  }

  /** Whether a room lacked members at a position, or did so too long ago to tell. */
  async lackedMembersAt(roomId: RoomId, userId: UserId, position: number): Promise<boolean> {
    const { rooms, timeline } = this.#parts
    if (rooms.isPartial(roomId)) return true
    const { completed } = await readStreamChanges(timeline, userId, position, timeline.position)
    return completed?.has(roomId) ?? true
  }

  async #answer(input: SyncInput, from: SyncToken | undefined, upTo: number): Promise<SyncAnswer> {
    const { reader, filter } = input
    const { toDevice, keys, timeline, rooms } = this.#parts
    // Before anything is waited for: a room that becomes whole meanwhile is told of with what comes after.
    const partialRooms = new Set(rooms.partialRooms().map(({ roomId }) => roomId))
    const changes = from === undefined ? undefined : await readStreamChanges(timeline, reader.userId, from.position, upTo)
    const inbox = await toDevice.page(reader.userId, reader.deviceId, from?.inbox ?? 0, upTo)
    const request: SyncRequest = {
      reader,
      after: from?.position,
      since: input.since?.position,
      upTo,
      states: new StatesBetween(rooms, from?.position, upTo),
      filter,
      fullState: input.fullState,
      stateName: input.stateName,
      ignored: await this.#parts.ignoredUsers.of(reader.userId),
      partialRooms,
    }
    const sections = await this.#readSections(request, changes)
    const sharing =
      changes === undefined ? sameSharing : await readSharingChanges({ rooms, states: request.states }, reader.userId, changes)
    // Counts are those of the place in the stream that the answer goes up to.
    await this.#parts.notifications.reach(upTo)
    const accountData = from === undefined ? [] : await this.#parts.accountData.changedBetween(reader.userId, from.position, upTo)
    const counts = await keys.oneTime.counts(reader.userId, reader.deviceId)
    return {
      next_batch: formatSyncToken({ position: upTo, inbox: inbox.deliveredUpTo }),
      rooms: await this.#rooms(request, sections, { stream: changes, accountData }),
      account_data: { events: await this.#accountData(request, accountData) },
      presence: { events: presenceEvents({ presence: this.#parts.ephemeral.presence, rooms, clock: this.#parts.clock }, request, sharing) },
      to_device: { events: inbox.events.map((event) => ({ ...event })) },
      device_lists:
        from === undefined
          ? { changed: [], left: [] }
          : deviceListChanges({ rooms, keys }, { reader: reader.userId, after: from.position, upTo }, sharing, changes?.deviceLists),
      // Named also when there are none left: clients take the absence of a number for no news.
      device_one_time_keys_count: { signed_curve25519: 0, ...counts.oneTime },
      device_unused_fallback_key_types: counts.unusedFallback,
      'org.matrix.msc2732.device_unused_fallback_key_types': counts.unusedFallback,
    }
  }

  async #readSections(request: SyncRequest, changes: StreamChanges | undefined): Promise<Map<RoomId, RoomSection>> {
    const { rooms } = this.#parts
    const { userId } = request.reader
    const mayHaveChanged = request.fullState || changes?.rooms === undefined ? rooms.roomIds() : [...changes.rooms]
    const concerned = mayHaveChanged.filter(
      (roomId) =>
        request.filter.acceptsRoom(roomId) &&
        // Whose join lost its ground has no membership any more, and has to hear that the stay is over.
        (rooms.state(roomId)?.get('m.room.member', userId) !== undefined ||
          (changes !== undefined && (changes.moved?.has(roomId) ?? true))) &&
        // Clients that know the room are told that it was left, also when it was forgotten right after that.
        !(request.after === undefined && this.#parts.forgotten.has(userId, roomId)) &&
        !this.#isHidden(roomId, request),
    )
    const sections = new Map<RoomId, RoomSection>()
    for (const roomId of concerned) {
      const isRevealed = !request.filter.state.lazyLoadMembers && changes !== undefined && (changes.completed?.has(roomId) ?? true)
      const section = await this.#sections.read(roomId, request, isRevealed)
      if (section !== undefined) sections.set(roomId, section)
    }
    return sections
  }

  /**
   * A client that loads members as it needs them asks for those of a room before it encrypts for them. Any other would take the members
   * that it is told of for all there are, so it sees the room when they are known.
   */
  #isHidden(roomId: RoomId, request: SyncRequest): boolean {
    return !request.filter.state.lazyLoadMembers && (request.partialRooms.has(roomId) || this.#parts.rooms.isPartial(roomId))
  }

  async #rooms(request: SyncRequest, sections: ReadonlyMap<RoomId, RoomSection>, changes: Changes): Promise<SyncAnswer['rooms']> {
    const { rooms } = this.#parts
    const found: SyncAnswer['rooms'] = { join: {}, invite: {}, leave: {}, knock: {} }
    const outOfBand = readOutOfBandInvites(rooms, request, changes.stream?.invites)
    Object.assign(found.invite, outOfBand.invite)
    Object.assign(found.knock, outOfBand.knock)
    Object.assign(found.leave, outOfBand.leave)
    for (const [roomId, section] of sections) {
      switch (section.kind) {
        case 'join':
          // Filled in below, with what else changed in joined rooms.
          break
        case 'leave':
          // An invite or a knock that is still there is of after the leave.
          if (found.invite[roomId] === undefined && found.knock[roomId] === undefined)
            found.leave[roomId] = await this.#extras.leftRoom(roomId, request, section)
          break
        case 'invite':
          found.invite[roomId] = { invite_state: section.invite_state }
          break
        case 'knock':
          found.knock[roomId] = { knock_state: section.knock_state }
      }
    }
    // A room may have been left since; what came before that still belongs to this answer.
    const joinedThen = [...sections].flatMap(([roomId, section]) => (section.kind === 'join' ? [roomId] : []))
    for (const roomId of new Set([...this.#joinedWithNews(request, changes), ...joinedThen])) {
      const section = sections.get(roomId)
      if (!request.filter.acceptsRoom(roomId) || this.#isHidden(roomId, request)) continue
      if (section !== undefined && section.kind !== 'join') continue
      const joined = await this.#extras.joinedRoom(roomId, request, section, changes)
      if (joined !== undefined) found.join[roomId] = joined
    }
    return found
  }

  /** Rooms that the user is in, of which there is perhaps something to tell. */
  #joinedWithNews(request: SyncRequest, { stream, accountData }: Changes): Iterable<RoomId> {
    const { rooms, ephemeral } = this.#parts
    const { userId } = request.reader
    if (request.after === undefined || request.fullState || stream?.rooms === undefined) return rooms.joinedRooms(userId)
    const changed = new Set([...stream.rooms, ...stream.receipts, ...ephemeral.typing.roomsChangedAfter(request.after)])
    for (const { roomId } of accountData) if (roomId !== '') changed.add(roomId)
    return [...changed].filter((roomId) => rooms.state(roomId)?.membershipOf(userId) === 'join')
  }

  async #accountData(request: SyncRequest, changed: readonly AccountDataEntry[]): Promise<JsonObject[]> {
    const { accountData, pushRules } = this.#parts
    const { userId } = request.reader
    const entries =
      request.after === undefined
        ? (await accountData.all(userId, '')).filter((entry) => entry.type !== 'm.push_rules')
        : changed.filter((entry) => entry.roomId === '')
    const events = entries.map(({ type, content }) => ({ type, content }))
    // Of the rules only what a user changed is stored; clients want all of them.
    const withRules = request.after === undefined ? [...events, { type: 'm.push_rules', content: {} }] : events
    const rules = withRules.some((event) => event.type === 'm.push_rules') ? await pushRules.content(userId) : {}
    const complete = withRules.map((event) => (event.type === 'm.push_rules' ? { type: event.type, content: rules } : event))
    return complete.filter((event) => request.filter.accountData.accepts(event))
  }
}
