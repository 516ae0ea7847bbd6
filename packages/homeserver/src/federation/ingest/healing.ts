import {
  type EventId,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseEventId,
  parseRoomId,
  type RoomId,
  type ServerName,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { FetchBudgets } from '../fetch/fetch-budgets.ts'
import type { FetchEvents } from '../fetch/fetch-events.ts'
import { KeyedQueue } from '../../keyed-queue.ts'
import { FairPlaces } from '../fair-places.ts'
import { originMayAct } from '../origin-may-act.ts'
import type { RoomIntake } from './room-intake.ts'
import type { StagedEvents } from './staged-events.ts'

export interface HealingParts {
  readonly ports: Pick<Ports, 'clock' | 'log' | 'network'>
  readonly rooms: Rooms
  readonly intake: RoomIntake
  readonly staged: StagedEvents
  readonly fetch: FetchEvents
  readonly budgets: FetchBudgets
}

/** What is due by time, whoever brought it. */
const CLOCK = 'clock'

/** Makes up leeway between servers that meet again: fetches what the other has and this one lacks. Runs beside the requests. */
export class Healing {
  readonly #parts: HealingParts
  readonly #signal: AbortSignal
  readonly #queue = new KeyedQueue<RoomId>()
  readonly #places = new FairPlaces({
    tasksMax: limits.implementation.healedAtOnceMax,
    tasksPerCauseMax: limits.implementation.healedPerCauseAtOnceMax,
  })
  /** Work that waits or runs for a room and a server: more of the same would find the same. */
  readonly #queued = new Set<string>()
  readonly #running = new Set<Promise<void>>()

  constructor(parts: HealingParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  start(): void {
    this.#parts.ports.network.watchPeers((event) => {
      if (event.kind === 'connected') this.#retryStagedWith(event.server)
    }, this.#signal)
    this.#begin(this.#retryRegularly())
  }

  /** `value`: what another server says of its forward extremities, `{room id: [event ids]}`. Returns at once. */
  compare(origin: ServerName, value: JsonValue | undefined): void {
    for (const [roomId, eventIds] of this.#told(origin, value)) {
      this.#queueWork('compare', origin, roomId, () => this.#fetchUnknown(roomId, origin, eventIds))
    }
  }

  /**
   * What to tell a server of the rooms that it spoke of, if it may lack something: this server's own extremities there.
   * So the two compare both ways, also when this one has nothing to send.
   */
  answerTo(origin: ServerName, value: JsonValue | undefined): JsonObject {
    const rooms: Record<string, readonly EventId[]> = {}
    for (const [roomId, eventIds] of this.#told(origin, value)) {
      const own = this.#parts.rooms.extremities(roomId).slice(0, limits.implementation.extremitiesPerRoomMax)
      if (own.some((eventId) => !eventIds.includes(eventId))) rooms[roomId] = own
    }
    return Object.keys(rooms).length === 0 ? {} : { 'im.kith.extremities': rooms }
  }

  /**
   * Tries what waits for its predecessors again. Returns at once.
   * @param source may have what is missing; absent: only what is due.
   */
  retryStaged(roomId: RoomId, source: ServerName | undefined): void {
    if (!this.#parts.staged.has(roomId)) return
    this.#queueWork('staged', source ?? CLOCK, roomId, () => this.#parts.intake.retryStaged(roomId, source, this.#signal))
  }

  async stopped(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** The well-formed part of what a server says of rooms in which it may act. */
  #told(origin: ServerName, value: JsonValue | undefined): Map<RoomId, EventId[]> {
    const told = new Map<RoomId, EventId[]>()
    if (!isJsonObject(value)) return told
    const { rooms } = this.#parts
    for (const [room, ids] of Object.entries(value).slice(0, limits.implementation.extremitiesRoomsPerTransactionMax)) {
      const roomId = parseRoomId(room)
      if (roomId === undefined || !Array.isArray(ids) || rooms.state(roomId)?.joinedServers().has(origin) !== true) continue
      if (!originMayAct(rooms, roomId, origin)) continue
      told.set(
        roomId,
        ids.slice(0, limits.implementation.extremitiesPerRoomMax).flatMap((id: JsonValue) => parseEventId(id) ?? []),
      )
    }
    return told
  }

  /** Only whoever names events is asked for them, so that a lie costs nobody else; what they build on may come from anyone. */
  async #fetchUnknown(roomId: RoomId, origin: ServerName, eventIds: readonly EventId[]): Promise<void> {
    const { rooms, fetch, budgets, intake } = this.#parts
    const stored = await rooms.events(eventIds)
    const unknown = eventIds.filter((_, index) => stored[index] === undefined)
    if (unknown.length === 0) return
    const events = await fetch.events(roomId, unknown, [origin], budgets.of(origin), this.#signal)
    if (events.size === 0) return
    await intake.receive(roomId, [...events.values()], origin, this.#signal)
    if (this.#parts.staged.has(roomId)) await intake.retryStaged(roomId, origin, this.#signal)
  }

  #retryStagedWith(server: ServerName): void {
    for (const roomId of this.#parts.staged.roomIds()) {
      if (this.#parts.rooms.state(roomId)?.joinedServers().has(server) === true) this.retryStaged(roomId, server)
    }
  }

  async #retryRegularly(): Promise<void> {
    for (;;) {
      await this.#parts.ports.clock.sleep(limits.implementation.stagedRetryIntervalMs, this.#signal)
      for (const roomId of this.#parts.staged.dueRoomIds()) this.retryStaged(roomId, undefined)
    }
  }

  #queueWork(name: string, cause: ServerName | typeof CLOCK, roomId: RoomId, work: () => Promise<void>): void {
    const key = `${name} ${cause} ${roomId}`
    if (this.#queued.has(key) || this.#signal.aborted) return
    this.#queued.add(key)
    const done = this.#queue.run(roomId, () => this.#places.run(cause, this.#signal, work))
    this.#begin(done.finally(() => this.#queued.delete(key)))
  }

  #begin(work: Promise<void>): void {
    const running = work.catch((error: unknown) => {
      if (!this.#signal.aborted) this.#parts.ports.log.warn('Healing failed', { error: error instanceof Error ? error.name : 'unknown' })
    })
    this.#running.add(running)
    void running.then(() => this.#running.delete(running))
  }
}
