import {
  type AuthContext,
  type AuthEvent,
  type AuthState,
  type EventId,
  prevEventIdsOf,
  type RoomId,
  type ServerName,
  serverNameOf,
  type StateKey,
  stateKeyOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { TimelineTransaction } from '../timeline/index.ts'
import type { EventStore } from './event-store.ts'
import { historyPlaceOf } from './history-place.ts'
import { authContextOf, type Room, toAuthEvent } from './room.ts'
import { memberOf } from './room-state.ts'
import { difference, extend, lookUp, readWhole, type Snapshot, type SnapshotReader, type SnapshotStore, toRow } from './snapshots.ts'
import type { StoredEvent } from './stored-event.ts'
import { type PendingRedaction, redactedForm, redactionEffects } from './redactions.ts'
import { resolveSnapshots } from './resolve-snapshots.ts'
import { roomsTables } from './tables.ts'

/** An event that the commit of the draft puts into the timeline. */
export interface AppendedEvent {
  event: StoredEvent
  /** Known once committed. */
  position: number
  readonly destinations: ReadonlySet<ServerName>
  readonly extraWrites: ((transaction: TimelineTransaction, eventId: EventId) => void) | undefined
}

export interface AppendOptions {
  /** Whether the other servers of the room hear of it from here. */
  readonly forward: boolean
  readonly extraWrites?: ((transaction: TimelineTransaction, eventId: EventId) => void) | undefined
}

/**
 * What one commit will change in a room: the room as it will be, over the room as it is.
 *
 * Invariants:
 * 1. The room itself stays untouched until `apply`, which must run only after `write` was committed.
 * 2. Everything read through the draft sees the draft's own changes.
 */
export class RoomDraft implements SnapshotReader {
  readonly room: Room
  readonly #serverName: ServerName
  readonly #store: EventStore
  readonly #snapshotStore: SnapshotStore
  readonly #events = new Map<EventId, StoredEvent>()
  readonly #snapshots = new Map<number, Snapshot>()
  readonly #state = new Map<StateKey, StoredEvent | undefined>()
  /** How many joined members each server gains or loses. */
  readonly #joinedDelta = new Map<ServerName, number>()
  readonly #appended: AppendedEvent[] = []
  readonly #backfilled: EventId[] = []
  readonly #pendingRedactions: PendingRedaction[] = []
  readonly #resolutions = new Map<string, number>()
  #extremities: ReadonlySet<EventId>
  #snapshot: number
  #nextSnapshot: number
  #depth: number
  #roomChanged = false

  constructor(room: Room, serverName: ServerName, store: EventStore, snapshotStore: SnapshotStore) {
    this.room = room
    this.#serverName = serverName
    this.#store = store
    this.#snapshotStore = snapshotStore
    this.#extremities = new Set(room.row.extremities)
    this.#snapshot = room.row.snapshot
    this.#nextSnapshot = room.row.nextSnapshot
    this.#depth = room.row.depth
  }

  get extremities(): ReadonlySet<EventId> {
    return this.#extremities
  }

  /** The snapshot of the current state. */
  get currentSnapshot(): number {
    return this.#snapshot
  }

  async event(eventId: EventId): Promise<StoredEvent | undefined> {
    return this.#events.get(eventId) ?? this.#store.get(eventId)
  }

  async eventsOf(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]> {
    const stored = await this.#store.getMany(eventIds)
    return eventIds.map((eventId, index) => this.#events.get(eventId) ?? stored[index])
  }

  async get(id: number): Promise<Snapshot> {
    return this.#snapshots.get(id) ?? this.#snapshotStore.get(this.room.roomId, id)
  }

  current(type: string, stateKey: string): StoredEvent | undefined {
    return this.#currentAt(stateKeyOf(type, stateKey))
  }

  async authContext(): Promise<AuthContext> {
    return authContextOf(this.room.roomId, this.room.version, async (eventId) => this.event(eventId))
  }

  /** The entries of a snapshot that are asked for, ready for the synchronous auth rules. */
  async stateForRules(snapshot: number, keys: readonly { type: string; stateKey: string }[]): Promise<AuthState> {
    const found = new Map<StateKey, AuthEvent>()
    for (const { type, stateKey } of keys) {
      const key = stateKeyOf(type, stateKey)
      const event = snapshot === this.#snapshot ? this.#currentAt(key) : await this.#eventAt(snapshot, key)
      if (event !== undefined) found.set(key, toAuthEvent(event))
    }
    return (type, stateKey) => found.get(stateKeyOf(type, stateKey))
  }

  /**
   * The snapshot that follows from several: the state after a set of events.
   * @param arriving an event of these states that is not part of the draft yet.
   */
  async merge(snapshots: readonly number[], arriving?: StoredEvent): Promise<number> {
    const distinct = [...new Set(snapshots)].sort((a, b) => a - b)
    const [first] = distinct
    if (first === undefined) throw new Error('there is no state to merge')
    if (distinct.length === 1) return first
    const name = distinct.join(' ')
    const known = this.#resolutions.get(name) ?? this.room.resolutions.get(name)
    if (known !== undefined) return known
    const states = await Promise.all(distinct.map(async (id) => readWhole(this, id)))
    const load = async (ids: readonly EventId[]): Promise<(StoredEvent | undefined)[]> => {
      const events = await this.eventsOf(ids)
      return events.map((event, index) => (ids[index] === arriving?.eventId ? arriving : event))
    }
    const resolved = await resolveSnapshots(this.room.version, states, load)
    const result = await this.addSnapshot(
      states.map((state, index) => ({ id: distinct[index] ?? first, state })),
      resolved,
    )
    this.#resolutions.set(name, result)
    return result
  }

  /** The snapshot of that state: one of the given ones when it equals, or a new one that differs least. */
  async addSnapshot(
    near: readonly { readonly id: number; readonly state: ReadonlyMap<StateKey, EventId> }[],
    state: ReadonlyMap<StateKey, EventId>,
  ): Promise<number> {
    const candidates = near.map(({ id, state: from }) => ({ id, delta: difference(from, state) }))
    const closest = candidates.reduce((best, candidate) => (candidate.delta.size < best.delta.size ? candidate : best))
    return closest.delta.size === 0 ? closest.id : this.#extend(closest.id, closest.delta)
  }

  putSnapshot(id: number, snapshot: Snapshot): void {
    this.#snapshots.set(id, snapshot)
  }

  /** Stores an event that takes no part in the room's history. */
  putAside(event: StoredEvent): void {
    this.#events.set(event.eventId, event)
  }

  /**
   * Adds an accepted event to the DAG, the history and the timeline.
   * @param event with `stateBefore`
   */
  async append(event: StoredEvent & { readonly stateBefore: number }, options: AppendOptions): Promise<AppendedEvent> {
    const { stateBefore } = event
    const placed: StoredEvent = {
      ...event,
      status: 'accepted',
      stateAfter: await this.stateAfter(event, stateBefore),
      depthBefore: this.#depth,
    }
    const redactions = await redactionEffects(this, placed, stateBefore)
    const extremities = this.#nextExtremities(placed)
    const snapshot = await this.#stateOver(placed, extremities)
    const delta = snapshot === this.#snapshot ? undefined : await this.#loadDelta(snapshot, placed)

    // From here on nothing waits: the draft changes whole or not at all.
    const before = this.joinedServers()
    const inRoom: StoredEvent = { ...placed, roomState: snapshot }
    const own = redactions.own === undefined ? inRoom : redactedForm(inRoom, redactions.own, this.room.version)
    this.#events.set(own.eventId, own)
    for (const [key, stateEvent] of delta ?? []) this.#setState(key, stateEvent?.eventId === own.eventId ? own : stateEvent)
    this.#snapshot = snapshot
    this.#extremities = extremities
    this.#depth = Math.max(this.#depth, own.pdu.depth)
    this.#roomChanged = true
    if (redactions.target !== undefined) this.#redact(redactions.target, own.eventId)
    this.#pendingRedactions.push(...redactions.pending)
    const destinations = options.forward ? this.joinedServers().union(before) : new Set<ServerName>()
    destinations.delete(this.#serverName)
    // Its own server made it, and knows.
    destinations.delete(serverNameOf(own.pdu.sender))
    const appended: AppendedEvent = { event: own, position: 0, destinations, extraWrites: options.extraWrites }
    this.#appended.push(appended)
    return appended
  }

  /** Adds an event to the history, at the place that its depth gives it, and to nothing else. */
  async backfill(event: StoredEvent): Promise<void> {
    const redactions = await redactionEffects(this, event, undefined)
    const own = redactions.own === undefined ? event : redactedForm(event, redactions.own, this.room.version)
    this.#events.set(own.eventId, own)
    this.#backfilled.push(own.eventId)
    if (redactions.target !== undefined) this.#redact(redactions.target, own.eventId)
    this.#pendingRedactions.push(...redactions.pending)
  }

  /** The snapshot after an event; its predecessor's when it is no state event. */
  async stateAfter(event: StoredEvent, stateBefore: number): Promise<number> {
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return stateBefore
    return this.#extend(stateBefore, new Map([[stateKeyOf(type, stateKey), event.eventId]]))
  }

  /** Servers with a joined member, as the state will be. */
  joinedServers(): Set<ServerName> {
    const servers = new Set(this.room.state.joinedServers())
    for (const [server, change] of this.#joinedDelta) {
      if (this.room.state.joinedCount(server) + change > 0) servers.add(server)
      else servers.delete(server)
    }
    return servers
  }

  /** Snapshots use up ids, which the row counts. */
  get #changesRow(): boolean {
    return this.#roomChanged || this.#snapshots.size > 0
  }

  get isEmpty(): boolean {
    return this.#events.size === 0 && this.#pendingRedactions.length === 0
  }

  /** Memberships that begin with this draft. */
  joins(): { readonly roomId: RoomId; readonly userId: UserId }[] {
    const { roomId } = this.room
    const members = this.#appended.map(({ event }) => memberOf(event)).filter((member) => member !== undefined)
    return members.filter((member) => member.membership === 'join').map(({ userId }) => ({ roomId, userId }))
  }

  /** Runs inside the builder of `Timeline.commit`. */
  write(transaction: TimelineTransaction): void {
    const { roomId } = this.room
    for (const appended of this.#appended) this.#writeAppended(transaction, appended)
    for (const eventId of this.#backfilled) this.#writeBackfilled(transaction, eventId)
    for (const event of this.#events.values()) transaction.batch.put(roomsTables.events, [event.eventId], event)
    for (const [id, snapshot] of this.#snapshots) transaction.batch.put(roomsTables.snapshots, [roomId, id], toRow(snapshot))
    for (const { kind, target, redaction } of this.#pendingRedactions) {
      if (kind === 'put') transaction.batch.put(roomsTables.pendingRedactions, [roomId, target, redaction], true)
      else transaction.batch.delete(roomsTables.pendingRedactions, [roomId, target, redaction])
    }
    if (this.#changesRow) transaction.batch.put(roomsTables.rooms, [roomId], this.#nextRow())
  }

  /** Lets the room follow what was committed. */
  apply(): void {
    const { room } = this
    if (this.#changesRow) room.row = this.#nextRow()
    for (const [key, event] of this.#state) {
      if (event === undefined) room.state.delete(key)
      else room.state.set(key, event)
    }
    for (const [name, snapshot] of this.#resolutions) room.resolutions.set(name, snapshot)
    for (const { kind, target, redaction } of this.#pendingRedactions) {
      if (kind === 'put') room.pendingRedactions.getOrInsertComputed(target, () => new Set()).add(redaction)
      else room.pendingRedactions.delete(target)
    }
    this.#store.remember(this.#events.values())
    this.#snapshotStore.remember(room.roomId, this.#snapshots)
  }

  #writeAppended(transaction: TimelineTransaction, appended: AppendedEvent): void {
    const { roomId } = this.room
    const { eventId, pdu } = appended.event
    const position = transaction.append({ kind: 'room-event', roomId, eventId })
    appended.position = position
    // A redaction later in the same commit may have replaced the event.
    const event: StoredEvent = { ...(this.#events.get(eventId) ?? appended.event), position, sequence: historyPlaceOf(eventId) }
    this.#events.set(eventId, event)
    this.#refreshState(event)
    transaction.batch.put(roomsTables.history, [roomId, pdu.depth, historyPlaceOf(eventId), eventId], { eventId, position })
    transaction.batch.put(roomsTables.arrivals, [roomId, position], eventId)
    for (const destination of appended.destinations) transaction.enqueue(destination, { kind: 'pdu', roomId, eventId })
    appended.extraWrites?.(transaction, eventId)
  }

  #writeBackfilled(transaction: TimelineTransaction, eventId: EventId): void {
    const event = this.#events.get(eventId)
    if (event === undefined) return
    const sequence = historyPlaceOf(eventId)
    this.#events.set(eventId, { ...event, sequence })
    transaction.batch.put(roomsTables.history, [this.room.roomId, event.pdu.depth, sequence, eventId], { eventId })
  }

  #nextRow(): Room['row'] {
    return {
      version: this.room.version.id,
      extremities: [...this.#extremities],
      snapshot: this.#snapshot,
      nextSnapshot: this.#nextSnapshot,
      depth: this.#depth,
    }
  }

  #currentAt(key: StateKey): StoredEvent | undefined {
    return this.#state.has(key) ? this.#state.get(key) : this.room.state.at(key)
  }

  async #eventAt(snapshot: number, key: StateKey): Promise<StoredEvent | undefined> {
    const eventId = await lookUp(this, snapshot, key)
    return eventId === undefined ? undefined : this.event(eventId)
  }

  async #extend(parent: number, changes: ReadonlyMap<StateKey, EventId | undefined>): Promise<number> {
    const id = this.#nextSnapshot++
    this.#snapshots.set(id, await extend(this, parent, id, changes))
    return id
  }

  #nextExtremities(event: StoredEvent): ReadonlySet<EventId> {
    const extremities = new Set(this.#extremities)
    for (const eventId of prevEventIdsOf(event.pdu)) extremities.delete(eventId)
    extremities.add(event.eventId)
    // Nobody may make the room arbitrarily expensive by branching: the heads that were there longest go.
    for (const oldest of extremities) {
      if (extremities.size <= limits.implementation.roomExtremitiesMax) break
      extremities.delete(oldest)
    }
    return extremities
  }

  async #stateOver(event: StoredEvent, extremities: ReadonlySet<EventId>): Promise<number> {
    const others = [...extremities].filter((eventId) => eventId !== event.eventId)
    const heads = [event, ...(await this.eventsOf(others))]
    const snapshots = heads.map((head) => head?.stateAfter).filter((id) => id !== undefined)
    return this.merge(snapshots, event)
  }

  /** The events of what changes between the current state and that of the snapshot. */
  async #loadDelta(snapshot: number, event: StoredEvent): Promise<Map<StateKey, StoredEvent | undefined>> {
    const changes = await this.#differenceTo(snapshot)
    const ids = [...changes.values()].filter((eventId) => eventId !== undefined)
    const loaded = await this.eventsOf(ids)
    const events = new Map(loaded.filter((found) => found !== undefined).map((found) => [found.eventId, found]))
    events.set(event.eventId, event)
    return new Map(
      Array.from(changes, ([key, eventId]) => {
        const found = eventId === undefined ? undefined : events.get(eventId)
        if (eventId !== undefined && found === undefined) throw new Error(`room ${this.room.roomId} lacks the state event ${eventId}`)
        return [key, found]
      }),
    )
  }

  async #differenceTo(snapshot: number): Promise<ReadonlyMap<StateKey, EventId | undefined>> {
    const next = await this.get(snapshot)
    // The usual case, in a room of any size: one step on.
    if (next.base === this.#snapshot) return next.changes
    return difference(await readWhole(this, this.#snapshot), await readWhole(this, snapshot))
  }

  #setState(key: StateKey, event: StoredEvent | undefined): void {
    this.#countJoined(this.#currentAt(key), -1)
    this.#countJoined(event, 1)
    this.#state.set(key, event)
  }

  #countJoined(event: StoredEvent | undefined, change: 1 | -1): void {
    const member = event === undefined ? undefined : memberOf(event)
    if (member?.membership !== 'join') return
    const server = serverNameOf(member.userId)
    this.#joinedDelta.set(server, (this.#joinedDelta.get(server) ?? 0) + change)
  }

  #redact(target: StoredEvent, redactedBy: EventId): void {
    const redacted = redactedForm(target, redactedBy, this.room.version)
    this.#events.set(redacted.eventId, redacted)
    this.#refreshState(redacted)
  }

  /** Keeps the current state pointing at the newest form of the event. */
  #refreshState(event: StoredEvent): void {
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return
    const key = stateKeyOf(type, stateKey)
    if (this.#currentAt(key)?.eventId === event.eventId) this.#setState(key, event)
  }
}
