import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import type { AccountData } from '../../accounts/account-data.ts'
import type { IgnoredUsers } from '../../accounts/ignored-users.ts'
import type { Ephemeral } from '../../ephemeral/index.ts'
import type { PresenceState } from '../../ephemeral/presence.ts'
import type { Keys } from '../../keys/keys.ts'
import type { ToDevice } from '../../keys/to-device.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Random } from '../../ports/random.ts'
import type { Notifications } from '../../push/notifications.ts'
import type { PushRules } from '../../push/push-rules.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Timeline } from '../../timeline/index.ts'
import { waitBounded } from '../../wait-bounded.ts'
import type { EventReader } from '../client-events.ts'
import { PastStays } from '../last-stay.ts'
import type { SyncEngine } from '../sync-engine.ts'
import type { Connection, Progress } from './connection.ts'
import { Connections } from './connections.ts'
import { Extensions, type VisibleRoom } from './extensions.ts'
import { readReceiptRows, type ReceiptRows } from './receipt-rows.ts'
import { type RoomAnswer, RoomAnswers } from './room-answers.ts'
import { filterRooms, type Forgotten, type ListedRoom, listRooms, showsWhole } from './room-list.ts'
import { RoomMarksCache } from './room-marks.ts'
import type { ListRequest, RoomConfig, SlidingRequest } from './sliding-request.ts'

export interface SlidingSyncParts {
  readonly ports: { readonly clock: Clock; readonly random: Random }
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly accountData: AccountData
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly ephemeral: Ephemeral
  readonly pushRules: PushRules
  readonly notifications: Notifications
  readonly sync: SyncEngine
  readonly conversation: { readonly forgotten: Forgotten; readonly ignoredUsers: IgnoredUsers }
}

export interface SlidingInput {
  readonly reader: EventReader
  readonly connectionId: string
  /** Undefined: a new connection. */
  readonly token: string | undefined
  readonly request: SlidingRequest
  readonly timeoutMs: number
  readonly presence: PresenceState
}

export type SlidingOutcome = { readonly kind: 'answer'; readonly body: JsonObject } | { readonly kind: 'unknown-position' }

/** A room that a request asks for, with everything that asks for it. */
interface AskedRoom {
  readonly listed: ListedRoom
  readonly configs: RoomConfig[]
  readonly lists: string[]
  isSubscribed: boolean
}

interface Draft {
  readonly progress: Progress
  readonly body: JsonObject
  readonly hasNews: boolean
}

/**
 * Simplified sliding sync: a client names the rooms that it shows, by lists and one by one, and is told of these.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4186
 *
 * Invariants:
 * 1. What a connection was told is remembered for each room, and only what the client has confirmed by its next request counts.
 * 2. A room that was out of sight is told of from where the client left it.
 * 3. A request reads from storage for the rooms it tells of, and for those that others put the user out of, never for all rooms of the user.
 */
export class SlidingSync {
  readonly #parts: SlidingSyncParts
  readonly #connections: Connections
  readonly #marks: RoomMarksCache
  readonly #stays: PastStays
  readonly #answers: RoomAnswers
  readonly #extensions: Extensions

  constructor(parts: SlidingSyncParts) {
    this.#parts = parts
    const { rooms, sync, notifications } = parts
    this.#connections = new Connections(parts.ports.random)
    this.#marks = new RoomMarksCache(parts.accountData)
    this.#stays = new PastStays(rooms)
    this.#answers = new RoomAnswers({ rooms, notifications, events: sync.events, visibility: sync.visibility })
    this.#extensions = new Extensions({ ...parts, deviceListChanges: async (...stretch) => sync.deviceListChanges(...stretch) })
  }

  async sync(input: SlidingInput, signal: AbortSignal): Promise<SlidingOutcome> {
    const { reader, request, token } = input
    using _connected = this.#parts.ephemeral.presence.connect(reader.userId, reader.deviceId, input.presence)
    const { since, enabled } = request.extensions.toDevice
    if (enabled && since !== undefined) await this.#parts.toDevice.acknowledge(reader.userId, reader.deviceId, since)
    const body = await this.#connections.run(reader, input.connectionId, token, async (connection, superseded) => {
      const either = AbortSignal.any([signal, superseded])
      try {
        return await this.#poll(input, connection, either)
      } catch (error) {
        // The client has sent another request in the place of this one, and reads no answer.
        if (superseded.aborted && !signal.aborted) return { pos: connection.token, lists: {}, rooms: {}, extensions: {} }
        throw error
      }
    })
    return body === undefined ? { kind: 'unknown-position' } : { kind: 'answer', body }
  }

  async #poll(input: SlidingInput, connection: Connection, signal: AbortSignal): Promise<JsonObject> {
    const { ports, timeline, sync } = this.#parts
    const { clock } = ports
    const deadline = clock.now() + Math.min(input.timeoutMs, limits.implementation.syncTimeoutMaxMs)
    for (;;) {
      signal.throwIfAborted()
      const upTo = timeline.position
      const draft = await this.#draft(input, connection, upTo)
      signal.throwIfAborted()
      const remaining = deadline - clock.now()
      if (draft.hasNews || !connection.hasBegun || remaining <= 0) return { pos: connection.stage(draft.progress), ...draft.body }
      connection.moveOn(draft.progress)
      if (!(await waitBounded(clock, remaining, signal, async (either) => sync.watch.concerning(input.reader.userId, upTo, either))))
        return { pos: connection.stage(draft.progress), ...draft.body }
    }
  }

  async #draft({ reader, request }: SlidingInput, connection: Connection, upTo: number): Promise<Draft> {
    connection.takeBack()
    const { rooms, timeline } = this.#parts
    const { progress } = connection
    const marks = await this.#marks.marks(reader.userId, upTo)
    // A new connection was told of no room, so nothing is owed to it.
    const receiptRows = await readReceiptRows(timeline, reader.userId, connection.hasBegun ? progress.position : upTo, upTo)
    noteOwedCounts(connection, receiptRows)
    const { forgotten } = this.#parts.conversation
    const ignored = await this.#parts.conversation.ignoredUsers.of(reader.userId)
    const listed = await listRooms({ rooms, forgotten, stays: this.#stays }, { userId: reader.userId, ignored }, connection)
    const asked = new Map<RoomId, AskedRoom>()
    const counts = new Map<string, number>()
    for (const [name, list] of request.lists) {
      const filtered = filterRooms(listed, list, rooms, marks, reader.userId)
      counts.set(name, filtered.length)
      for (const room of windowOf(filtered, list)) ask(asked, room, list).lists.push(name)
    }
    if (request.subscriptions.size > 0) {
      for (const room of listed) {
        const config = request.subscriptions.get(room.roomId)
        if (config !== undefined && showsWhole(rooms, room.roomId, config)) ask(asked, room, config).isSubscribed = true
      }
    }
    await this.#parts.notifications.reach(upTo)
    const answers = await this.#readRooms(asked, { reader, connection, marks, ignored, upTo })
    const visible = [...asked.values()].filter(({ listed: { roomId } }) => connection.rooms.get(roomId) !== undefined).map(visibleRoom)
    const extensions = await this.#extensions.read({
      reader,
      connection,
      extensions: request.extensions,
      visible,
      answers,
      receiptRows,
      ignored,
      upTo,
    })
    return {
      progress: {
        position: upTo,
        encryption: request.extensions.encryption.enabled ? upTo : progress.encryption,
        accountData: request.extensions.accountData.enabled ? upTo : progress.accountData,
        counts,
      },
      body: {
        lists: Object.fromEntries([...counts].map(([name, count]) => [name, { count }])),
        rooms: Object.fromEntries([...answers].map(([roomId, { body }]) => [roomId, body])),
        extensions: extensions.body,
      },
      hasNews: answers.size > 0 || extensions.hasNews || [...counts].some(([name, count]) => progress.counts.get(name) !== count),
    }
  }

  async #readRooms(
    asked: ReadonlyMap<RoomId, AskedRoom>,
    request: Parameters<RoomAnswers['read']>[2],
  ): Promise<ReadonlyMap<RoomId, RoomAnswer>> {
    const answers = new Map<RoomId, RoomAnswer>()
    request.connection.wanted.begin()
    for (const [roomId, { listed, configs, lists }] of asked) {
      if (answers.size >= limits.implementation.slidingRoomsPerAnswerMax) break
      const answer = await this.#answers.read(listed, request.connection.wanted.combine(configs), request)
      if (answer !== undefined) answers.set(roomId, lists.length === 0 ? answer : { ...answer, body: { ...answer.body, lists } })
    }
    return answers
  }
}

/** Own receipts change what is unread, also in rooms that are out of sight. */
function noteOwedCounts(connection: Connection, { own }: ReceiptRows): void {
  for (const roomId of own ?? connection.rooms.keys()) {
    if (connection.rooms.get(roomId) !== undefined) connection.countsOwed.set(roomId, true)
  }
}

function ask(asked: Map<RoomId, AskedRoom>, listed: ListedRoom, config: RoomConfig): AskedRoom {
  const room = asked.getOrInsertComputed(listed.roomId, () => ({ listed, configs: [], lists: [], isSubscribed: false }))
  room.configs.push(config)
  return room
}

function windowOf(filtered: readonly ListedRoom[], { ranges }: ListRequest): readonly ListedRoom[] {
  if (ranges === undefined) return filtered
  return [...new Set(ranges.flatMap(([first, last]) => filtered.slice(first, last + 1)))]
}

function visibleRoom({ listed, lists, isSubscribed }: AskedRoom): VisibleRoom {
  const isJoined = listed.as.kind === 'member' && listed.as.membership === 'join'
  return { roomId: listed.roomId, lists, isSubscribed, isJoined }
}
