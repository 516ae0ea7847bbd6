import {
  type AuthContext,
  type AuthEvent,
  type AuthState,
  type EventId,
  prevEventIdsOf,
  type RoomId,
  type ServerName,
  type StateKey,
  stateKeyOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { StorageReader } from '../ports/storage.ts'
import type { TimelineTransaction } from '../timeline/index.ts'
import { walkFailed } from './dag-walks.ts'
import { destinationsOf, serverOfWaiting } from './destinations.ts'
import { awareOf, displacedBy, withDisplaced } from './displaced-servers.ts'
import { DraftCurrent } from './draft-current.ts'
import { DraftDoubts } from './draft-doubts.ts'
import { DraftEvents } from './draft-events.ts'
import { type AppendedEvent, DraftRows } from './draft-rows.ts'
import type { EventStore } from './event-store.ts'
import { boundExtremities } from './extremities.ts'
import { owedEvents } from './owed-events.ts'
import { type PendingRedaction, redactedForm, redactionEffects } from './redactions.ts'
import { resolveStates } from './resolve-states.ts'
import { authContextOf, type Room, toAuthEvent } from './room.ts'
import { memberOf } from './room-state.ts'
import { DraftStates, type StateStore } from './state-store.ts'
import { EMPTY_STATE, type StateIds, type StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import type { RoomRow } from './tables.ts'

export interface AppendOptions {
  /** Whether the other servers of the room hear of it from here. */
  readonly forward: boolean
  readonly extraWrites?: ((transaction: TimelineTransaction, eventId: EventId) => void) | undefined
}

export type EventWithState = StoredEvent & { readonly stateBefore: StateRoot }

export interface RoomStores {
  readonly ports: { readonly storage: StorageReader }
  readonly serverName: ServerName
  readonly store: EventStore
  readonly states: StateStore
}

/**
 * What one commit will change in a room: the room as it will be, over the room as it is.
 *
 * Invariants:
 * 1. The room itself stays untouched until `apply`, which must run only after `write` was committed.
 * 2. Everything read through the draft sees the draft's own changes.
 * 3. A method that throws leaves the draft as it was, but for nodes of states that nothing refers to.
 */
export class RoomDraft {
  readonly room: Room
  readonly serverName: ServerName
  readonly states: DraftStates
  readonly events: DraftEvents
  readonly current: DraftCurrent
  readonly doubts: DraftDoubts
  readonly #stores: RoomStores
  readonly #rows: DraftRows
  readonly #resolutions = new Map<string, StateRoot>()
  #extremities: ReadonlySet<EventId>
  #state: StateRoot
  #depth: number
  #displaced: RoomRow['displaced']
  #roomChanged = false
  #writesRoom = true

  constructor(room: Room, stores: RoomStores) {
    this.room = room
    this.serverName = stores.serverName
    this.#stores = stores
    this.states = new DraftStates(stores.states.of(room.roomId))
    this.events = new DraftEvents(stores.store)
    this.current = new DraftCurrent(room.state)
    this.#rows = new DraftRows(room.roomId, this.events, (event) => this.current.refresh(event))
    this.doubts = new DraftDoubts(room.row, () => this.#rows.hasGaps(room))
    this.#extremities = new Set(room.row.extremities)
    this.#state = room.row.state
    this.#depth = room.row.depth
    this.#displaced = room.row.displaced
  }

  get extremities(): ReadonlySet<EventId> {
    return this.#extremities
  }

  get currentState(): StateRoot {
    return this.#state
  }

  async event(eventId: EventId): Promise<StoredEvent | undefined> {
    return (await this.eventsOf([eventId]))[0]
  }

  /** Of this room only: what an event may build upon must not depend on the other rooms that a server knows. */
  async eventsOf(eventIds: readonly EventId[]): Promise<(StoredEvent | undefined)[]> {
    return (await this.events.getMany(eventIds)).map((event) => (event?.roomId === this.room.roomId ? event : undefined))
  }

  async authContext(): Promise<AuthContext> {
    return authContextOf(this.room.roomId, this.room.version, async (eventId) => this.event(eventId))
  }

  /** The entries of a state that are asked for, ready for the synchronous auth rules. */
  async stateForRules(root: StateRoot, keys: readonly { type: string; stateKey: string }[]): Promise<AuthState> {
    const wanted = keys.map(({ type, stateKey }) => stateKeyOf(type, stateKey))
    const found = new Map<StateKey, AuthEvent>()
    if (root === this.#state) {
      for (const key of wanted) {
        const event = this.current.at(key)
        if (event !== undefined) found.set(key, toAuthEvent(event))
      }
    } else {
      const ids = [...(await this.states.lookUpMany(root, wanted))]
      const events = await this.eventsOf(ids.map(([, eventId]) => eventId))
      for (const [index, [key]] of ids.entries()) {
        const event = events[index]
        if (event !== undefined) found.set(key, toAuthEvent(event))
      }
    }
    return (type, stateKey) => found.get(stateKeyOf(type, stateKey))
  }

  /**
   * The state that follows from several: the state after a set of events.
   * @param arriving an event of these states that is not part of the draft yet.
   */
  async merge(roots: readonly StateRoot[], arriving?: StoredEvent): Promise<StateRoot> {
    const distinct = [...new Set(roots)].sort()
    const [first] = distinct
    if (first === undefined) throw new Error('there is no state to merge')
    if (distinct.length === 1) return first
    const name = distinct.join(' ')
    const known = this.#resolutions.get(name) ?? this.room.resolutions.get(name)
    if (known !== undefined) return known
    const load = async (ids: readonly EventId[]): Promise<(StoredEvent | undefined)[]> => {
      const events = await this.eventsOf(ids)
      return events.map((event, index) => (ids[index] === arriving?.eventId ? arriving : event))
    }
    const result = await resolveStates(this.room.version, distinct, this.states, load)
    this.#resolutions.set(name, result)
    return result
  }

  /** The state after an event; its predecessor's when it is no state event. */
  async stateAfter(event: StoredEvent, stateBefore: StateRoot): Promise<StateRoot> {
    const { type, state_key: stateKey } = event.pdu
    if (stateKey === undefined) return stateBefore
    return this.states.change(stateBefore, new Map([[stateKeyOf(type, stateKey), event.eventId]]))
  }

  /** The state of exactly these entries. */
  async stateOf(ids: StateIds): Promise<StateRoot> {
    // Mostly it is near the current one, and then only the difference costs anything.
    const changes = new Map<StateKey, EventId | undefined>()
    for (const [key, eventId] of ids) if (this.current.at(key)?.eventId !== eventId) changes.set(key, eventId)
    if (changes.size > ids.size / 2) return this.states.change(EMPTY_STATE, ids)
    for (const key of (await this.states.whole(this.#state)).keys()) if (!ids.has(key)) changes.set(key, undefined)
    return this.states.change(this.#state, changes)
  }

  /** For a room that is being made: the state that it has before its first event; the room's memory holds it already. */
  async beginWith(ids: StateIds): Promise<StateRoot> {
    this.#state = await this.states.change(EMPTY_STATE, ids)
    this.#roomChanged = true
    return this.#state
  }

  /** Stores an event that takes no part in the room's history, or stores it anew. */
  putAside(event: StoredEvent): void {
    this.events.put(event)
  }

  /** Gives an event back the content that it lacked. */
  restore(event: StoredEvent): void {
    this.events.put(event)
    if (event.sequence !== undefined) this.#rows.restore(event.eventId)
  }

  /** Remembers that the event was judged by a state that lacks members. */
  noteJudged(eventId: EventId): void {
    if (this.room.row.partial !== undefined) this.#rows.noteJudged(eventId)
  }

  /** Adds an accepted event to the DAG, the history and the timeline. */
  async append(event: EventWithState, { forward, extraWrites }: AppendOptions): Promise<AppendedEvent> {
    const { stateBefore } = event
    const prevEventIds = prevEventIdsOf(event.pdu)
    const missing = await this.#notHere(prevEventIds)
    const placed: EventWithState = {
      ...event,
      status: 'accepted',
      stateAfter: await this.stateAfter(event, stateBefore),
      depthBefore: this.#depth,
      ...(missing.length > 0 ? { afterGap: true } : {}),
    }
    const redactions = await redactionEffects(this, placed, stateBefore)
    const aware = await awareOf(this, placed, stateBefore)
    const followed = await walkFailed(this.events, prevEventIds)
    const others = [...this.#extremities].filter((eventId) => !followed.has(eventId))
    const next = await this.#heads(others, placed)
    const owed = await owedEvents(this, placed, others, this.#stores.ports.storage)

    // From here on nothing waits: the draft changes whole or not at all.
    // Looking at all servers of the room is left out for what others made: it goes nowhere from here.
    const before = forward ? this.current.joinedServers() : undefined
    const waiting = serverOfWaiting(placed, this.current)
    const own = redactions.own === undefined ? placed : redactedForm(placed, redactions.own, this.room.version)
    this.events.put(own)
    this.#moveTo(next, own)
    const displaced = displacedBy(this.current.takeLost(), aware, this.serverName)
    this.#displaced = withDisplaced(this.#displaced, displaced, own)
    this.#depth = Math.max(this.#depth, own.pdu.depth)
    this.#roomChanged = true
    this.#applyRedactions(redactions.target, redactions.pending, own.eventId)
    this.#rows.openGaps(own.eventId, missing)
    this.#rows.closeGaps(own.eventId, this.room)
    const destinations =
      before === undefined ? displaced : destinationsOf(own, [displaced, before, this.current.joinedServers(), waiting], this.serverName)
    const due = owed !== undefined && this.current.isJoined(owed.server) ? owed : undefined
    const appended = { eventId: own.eventId, state: this.#state, position: 0, destinations, owed: due, extraWrites }
    this.#rows.append(appended)
    return appended
  }

  /** Adds an accepted event to the history, at the place that its depth gives it, and not to the timeline: it is not new. */
  async insert(event: StoredEvent): Promise<void> {
    const placed = event.stateBefore === undefined ? event : { ...event, stateAfter: await this.stateAfter(event, event.stateBefore) }
    const redactions = await redactionEffects(this, placed, placed.stateBefore)
    const own = redactions.own === undefined ? placed : redactedForm(placed, redactions.own, this.room.version)
    this.events.put(own)
    this.#rows.insert(own.eventId)
    this.#applyRedactions(redactions.target, redactions.pending, own.eventId)
  }

  redactionsWaitingFor(eventId: EventId): readonly EventId[] {
    return this.#rows.redactionsWaitingFor(eventId, this.room)
  }

  /** Whether an event that is part of the room follows this one, which is not here. */
  isBehindGap(eventId: EventId): boolean {
    return this.#rows.successorsOf(eventId, this.room).size > 0
  }

  successorsOf(eventId: EventId): ReadonlySet<EventId> {
    return this.#rows.successorsOf(eventId, this.room)
  }

  /** An event behind a gap came and could not be placed yet: what it follows lies behind the gap, too. */
  deepenGap(eventId: EventId, missing: readonly EventId[]): void {
    this.#rows.openGaps(eventId, missing)
  }

  /** Takes an event that was just stored behind a gap into the DAG: what it follows is no head any more, and the gap moves on. */
  async connect(event: StoredEvent): Promise<void> {
    const prevEventIds = prevEventIdsOf(event.pdu)
    const missing = await this.#notHere(prevEventIds)
    const others = [...this.#extremities].filter((eventId) => !prevEventIds.includes(eventId))
    // Something always is the head; an event that follows all heads and yet lies behind them is somebody's lie.
    const moves = others.length > 0 && others.length < this.#extremities.size
    const next = moves ? await this.#heads(others) : undefined
    if (next !== undefined) {
      if (next.state !== this.#state) this.#rows.stateMoved(next.state)
      this.#moveTo(next)
      this.#roomChanged = true
    }
    this.#rows.closeGaps(event.eventId, this.room)
    this.#rows.openGaps(event.eventId, missing)
  }

  /** Lets an event of the room follow its state before once more: the heads and the state move on as when it came. */
  async replay(event: EventWithState): Promise<void> {
    const placed = { ...event, stateAfter: await this.stateAfter(event, event.stateBefore) }
    const followed = await walkFailed(this.events, prevEventIdsOf(placed.pdu))
    const isHead = placed.position !== undefined
    const others = [...this.#extremities].filter((eventId) => !followed.has(eventId))
    if (isHead || (others.length > 0 && others.length < this.#extremities.size)) {
      this.#moveTo(await this.#heads(others, isHead ? placed : undefined), placed)
      this.#roomChanged = true
    }
    this.events.put(placed)
  }

  /** Keeps the room's own row as it is: a later commit changes it. */
  withoutRoom(): this {
    this.#writesRoom = false
    return this
  }

  /** Makes the state of this draft the room's state for all who read it. */
  changeOver(depth: number): void {
    this.#depth = Math.max(this.#depth, depth)
    this.#roomChanged = true
    this.#rows.stateMoved(this.#state, true)
  }

  /** Takes an event that turned out to be none out of what is shown. */
  leave(event: StoredEvent): void {
    this.#rows.leave(event)
  }

  get isEmpty(): boolean {
    return this.events.changed.size === 0 && this.#rows.isEmpty
  }

  /** Memberships that begin with this draft. */
  joins(): { readonly roomId: RoomId; readonly userId: UserId }[] {
    const { roomId } = this.room
    const events = this.#rows.appended.map(({ eventId }) => this.events.changed.get(eventId))
    const members = events.map((event) => (event === undefined ? undefined : memberOf(event))).filter((member) => member !== undefined)
    return members.filter((member) => member.membership === 'join').map(({ userId }) => ({ roomId, userId }))
  }

  /** Runs inside the builder of `Timeline.commit`. */
  write(transaction: TimelineTransaction): void {
    this.#rows.write(transaction, this.states.created, this.current.endedStays)
    if ((this.#roomChanged || this.doubts.hasChanged) && this.#writesRoom) this.#rows.writeRoom(transaction, this.#nextRow())
  }

  /** Lets the room follow what was committed. */
  apply(): void {
    const { room } = this
    if (this.#roomChanged || this.doubts.hasChanged) room.row = this.#nextRow()
    this.current.apply()
    for (const [name, root] of this.#resolutions) room.resolutions.set(name, root)
    this.#rows.apply(room)
    this.#stores.store.remember(this.events.changed.values())
    this.#stores.states.remember(room.roomId, this.states.created)
  }

  #nextRow(): RoomRow {
    const displaced = this.#displaced === undefined ? {} : { displaced: this.#displaced }
    const row = { ...this.doubts.in(this.room.row), ...displaced, ...this.#rows.activity() }
    return { ...row, extremities: [...this.#extremities], state: this.#state, depth: this.#depth }
  }

  /** Those that are unknown, or known without their place in the DAG. */
  async #notHere(eventIds: readonly EventId[]): Promise<EventId[]> {
    const events = await this.eventsOf(eventIds)
    return eventIds.filter((_, index) => events[index] === undefined || events[index].status === 'outlier')
  }

  async #heads(extremities: readonly EventId[], arriving?: StoredEvent): Promise<NextHeads> {
    const known = (await this.eventsOf(extremities)).filter((head) => head?.stateAfter !== undefined).filter((head) => head !== undefined)
    const heads = boundExtremities(arriving === undefined ? known : [...known, arriving])
    const roots = heads.map((head) => head.stateAfter).filter((root) => root !== undefined)
    const state = roots.length === 0 ? this.#state : await this.merge(roots, arriving)
    const changes = await this.#loadChanges(state, arriving)
    return { extremities: heads.map((head) => head.eventId), state, changes }
  }

  #moveTo({ extremities, state, changes }: NextHeads, own?: StoredEvent): void {
    this.current.move(changes, own, this.serverName)
    this.#extremities = new Set(extremities)
    this.#state = state
  }

  /** The events of what changes between the current state and that one. */
  async #loadChanges(state: StateRoot, arriving: StoredEvent | undefined): Promise<Map<StateKey, StoredEvent | undefined>> {
    if (state === this.#state) return new Map()
    if (arriving !== undefined && arriving.stateBefore === this.#state && arriving.stateAfter === state)
      return new Map([[stateKeyOf(arriving.pdu.type, arriving.pdu.state_key ?? ''), arriving]])
    const difference = [...(await this.states.difference(this.#state, state))]
    const ids = difference.map(([, { to }]) => to).filter((eventId) => eventId !== undefined)
    const loaded = await this.eventsOf(ids)
    const events = new Map(loaded.filter((found) => found !== undefined).map((found) => [found.eventId, found]))
    if (arriving !== undefined) events.set(arriving.eventId, arriving)
    return new Map(
      difference.map(([key, { to }]) => {
        const found = to === undefined ? undefined : events.get(to)
        if (to !== undefined && found === undefined) throw new Error(`room ${this.room.roomId} lacks the state event ${to}`)
        return [key, found]
      }),
    )
  }

  #applyRedactions(target: StoredEvent | undefined, pending: readonly PendingRedaction[], redactedBy: EventId): void {
    if (target !== undefined) {
      const redacted = redactedForm(target, redactedBy, this.room.version)
      this.events.put(redacted)
      this.#rows.redact(target)
      this.current.refresh(redacted)
    }
    this.#rows.changePendingRedactions(pending)
  }
}

interface NextHeads {
  readonly extremities: readonly EventId[]
  readonly state: StateRoot
  readonly changes: ReadonlyMap<StateKey, StoredEvent | undefined>
}
