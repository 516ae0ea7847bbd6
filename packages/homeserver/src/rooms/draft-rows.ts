import type { EventId, RoomId, ServerName, UserId } from '@kith/matrix-protocol'
import type { TimelineTransaction } from '../timeline/index.ts'
import type { DraftEvents } from './draft-events.ts'
import { historyPlaceOf } from './history-place.ts'
import type { OwedEvents } from './owed-events.ts'
import type { PendingRedaction } from './redactions.ts'
import { deleteRelation, putRelation } from './relations.ts'
import type { Room } from './room.ts'
import type { NodeId, StateRoot, TrieNode } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import { isBump } from './room-activity.ts'
import { type RoomRow, roomsTables } from './tables.ts'

/** An event that the commit of the draft puts into the timeline. */
export interface AppendedEvent {
  readonly eventId: EventId
  /** The room's current state from this event on. */
  readonly state: StateRoot
  /** Known once committed. */
  position: number
  readonly destinations: ReadonlySet<ServerName>
  /** What a server that comes in by this event was not sent yet. */
  readonly owed: OwedEvents | undefined
  readonly extraWrites: ((transaction: TimelineTransaction, eventId: EventId) => void) | undefined
}

const NOBODY: ReadonlySet<EventId> = new Set()

/** The rows of one commit in a room, apart from what they mean. */
export class DraftRows {
  readonly #roomId: RoomId
  readonly #events: DraftEvents
  readonly #placed: (event: StoredEvent) => void
  readonly appended: AppendedEvent[] = []
  readonly #inserted: EventId[] = []
  readonly #judged: EventId[] = []
  /** By the target: its redactions that begin to wait, and those that no longer do. */
  readonly #pendingRedactions = new Map<EventId, Map<EventId, PendingRedaction['kind']>>()
  /** By the missing event: the successors that are added; undefined where all go. */
  readonly #gaps = new Map<EventId, Set<EventId> | undefined>()
  readonly #closed = new Map<EventId, ReadonlySet<EventId>>()
  readonly #leaving: StoredEvent[] = []
  readonly #redacted: StoredEvent[] = []
  readonly #restored: EventId[] = []
  /** The state to announce where it changed without an event that says so. */
  #movedTo: StateRoot | undefined
  #completes = false
  #movedAt: number | undefined

  /** @param placed hears of each event when its position is known. */
  constructor(roomId: RoomId, events: DraftEvents, placed: (event: StoredEvent) => void) {
    this.#roomId = roomId
    this.#events = events
    this.#placed = placed
  }

  append(appended: AppendedEvent): void {
    this.appended.push(appended)
    this.#movedTo = undefined
  }

  insert(eventId: EventId): void {
    this.#inserted.push(eventId)
  }

  /** Takes an event out of what is shown. */
  leave(event: StoredEvent): void {
    this.#leaving.push(event)
  }

  /** An event of the history has its content now. */
  restore(eventId: EventId): void {
    this.#restored.push(eventId)
  }

  /** @param event as it was. */
  redact(event: StoredEvent): void {
    this.#redacted.push(event)
  }

  /** @param completes whether it lacked members before. */
  stateMoved(state: StateRoot, completes = false): void {
    this.#movedTo = state
    this.#completes = completes
  }

  noteJudged(eventId: EventId): void {
    this.#judged.push(eventId)
  }

  changePendingRedactions(changes: readonly PendingRedaction[]): void {
    for (const { kind, target, redaction } of changes) {
      this.#pendingRedactions.getOrInsertComputed(target, () => new Map()).set(redaction, kind)
    }
  }

  /** The redactions that wait for an event. */
  redactionsWaitingFor(target: EventId, room: Room): EventId[] {
    const waiting = new Set(room.pendingRedactions.get(target))
    for (const [redaction, kind] of this.#pendingRedactions.get(target) ?? []) {
      if (kind === 'put') waiting.add(redaction)
      else waiting.delete(redaction)
    }
    return [...waiting]
  }

  openGaps(successor: EventId, missing: readonly EventId[]): void {
    for (const eventId of missing) {
      const successors = this.#gaps.get(eventId) ?? new Set()
      successors.add(successor)
      this.#gaps.set(eventId, successors)
    }
  }

  closeGaps(eventId: EventId, room: Room): void {
    const successors = this.successorsOf(eventId, room)
    if (successors.size === 0) return
    this.#closed.set(eventId, successors)
    this.#gaps.set(eventId, undefined)
  }

  successorsOf(eventId: EventId, room: Room): ReadonlySet<EventId> {
    const stored = room.gaps.get(eventId) ?? NOBODY
    if (!this.#gaps.has(eventId)) return stored
    const added = this.#gaps.get(eventId)
    return added === undefined ? NOBODY : added.union(stored)
  }

  hasGaps(room: Room): boolean {
    const opened = [...this.#gaps.values()].some((successors) => successors !== undefined)
    return opened || [...room.gaps.keys()].some((missing) => !this.#gaps.has(missing))
  }

  get isEmpty(): boolean {
    return this.#pendingRedactions.size === 0 && this.#gaps.size === 0 && this.#judged.length === 0 && this.#movedTo === undefined
  }

  /** @param ended whose stay is over without an event that says so. */
  write(transaction: TimelineTransaction, nodes: ReadonlyMap<NodeId, TrieNode>, ended: readonly UserId[]): void {
    const { batch } = transaction
    const roomId = this.#roomId
    for (const appended of this.appended) this.#writeAppended(transaction, appended)
    for (const eventId of this.#inserted) this.#writeInserted(transaction, eventId)
    for (const event of this.#leaving) this.#writeLeaving(transaction, event)
    for (const eventId of this.#restored) this.#writeRestored(transaction, eventId)
    for (const event of this.#redacted) deleteRelation(batch, event)
    for (const eventId of this.#judged) batch.put(roomsTables.judgedPartially, [roomId, transaction.allocate()], eventId)
    for (const event of this.#events.changed.values()) batch.put(roomsTables.events, [event.eventId], event)
    for (const [id, node] of nodes) batch.put(roomsTables.stateNodes, [roomId, id], node)
    for (const { kind, target, redaction } of this.#redactionChanges()) {
      if (kind === 'put') batch.put(roomsTables.pendingRedactions, [roomId, target, redaction], true)
      else batch.delete(roomsTables.pendingRedactions, [roomId, target, redaction])
    }
    for (const [missing, successors] of this.#closed) {
      for (const successor of successors) batch.delete(roomsTables.gaps, [roomId, missing, successor])
    }
    for (const [missing, successors] of this.#gaps) {
      for (const successor of successors ?? []) batch.put(roomsTables.gaps, [roomId, missing, successor], true)
    }
    if (this.#movedTo === undefined && ended.length === 0) return
    const completes = this.#completes ? { completes: true as const } : {}
    const position = transaction.append({ kind: 'room-state', roomId, ...completes, ...(ended.length === 0 ? {} : { ended }) })
    if (this.#movedTo === undefined) return
    this.#movedAt = position
    batch.put(roomsTables.arrivals, [roomId, position], { state: this.#movedTo })
  }

  /** What this adds to the room's row, once it is written and the positions are known. */
  activity(): Pick<RoomRow, 'changedAt' | 'bumpedAt'> {
    const last = this.appended.at(-1)
    const bump = this.appended.findLast(({ eventId }) => isBump(this.#events.changed.get(eventId)))
    const changedAt = this.#movedAt ?? last?.position
    return { ...(changedAt === undefined ? {} : { changedAt }), ...(bump === undefined ? {} : { bumpedAt: bump.position }) }
  }

  writeRoom(transaction: TimelineTransaction, row: RoomRow): void {
    transaction.batch.put(roomsTables.rooms, [this.#roomId], row)
  }

  /** Lets the room's memory follow what was committed. */
  apply(room: Room): void {
    for (const { kind, target, redaction } of this.#redactionChanges()) {
      if (kind === 'put') room.pendingRedactions.getOrInsertComputed(target, () => new Set()).add(redaction)
      else room.pendingRedactions.delete(target)
    }
    for (const [missing, successors] of this.#gaps) {
      if (successors === undefined) room.gaps.delete(missing)
      else for (const successor of successors) room.rememberGap(missing, successor)
    }
  }

  *#redactionChanges(): Generator<PendingRedaction> {
    for (const [target, changes] of this.#pendingRedactions) for (const [redaction, kind] of changes) yield { kind, target, redaction }
  }

  #writeAppended(transaction: TimelineTransaction, appended: AppendedEvent): void {
    const roomId = this.#roomId
    const { eventId } = appended
    const position = transaction.append({ kind: 'room-event', roomId, eventId })
    appended.position = position
    this.#place(transaction, eventId, { position })
    transaction.batch.put(roomsTables.arrivals, [roomId, position], { eventId, state: appended.state })
    for (const destination of appended.destinations) transaction.enqueue(destination, { kind: 'pdu', roomId, eventId })
    if (appended.owed !== undefined) this.#writeOwed(transaction, appended.owed)
    appended.extraWrites?.(transaction, eventId)
  }

  #writeInserted(transaction: TimelineTransaction, eventId: EventId): void {
    this.#place(transaction, eventId, {})
    transaction.append({ kind: 'room-history', roomId: this.#roomId, eventId })
  }

  #writeRestored(transaction: TimelineTransaction, eventId: EventId): void {
    const event = this.#events.changed.get(eventId)
    if (event !== undefined) putRelation(transaction.batch, event)
    transaction.append({ kind: 'room-history', roomId: this.#roomId, eventId })
  }

  #writeOwed(transaction: TimelineTransaction, { server, eventIds }: OwedEvents): void {
    for (const eventId of eventIds) transaction.enqueue(server, { kind: 'pdu', roomId: this.#roomId, eventId, asVisible: true })
  }

  #writeLeaving(transaction: TimelineTransaction, event: StoredEvent): void {
    const { eventId, pdu, position } = event
    deleteRelation(transaction.batch, event)
    transaction.append({ kind: 'room-history', roomId: this.#roomId, eventId })
    transaction.batch.delete(roomsTables.history, [this.#roomId, pdu.depth, historyPlaceOf(eventId), eventId])
    transaction.batch.delete(roomsTables.times, [this.#roomId, Math.max(0, pdu.origin_server_ts), eventId])
    if (position !== undefined) transaction.batch.delete(roomsTables.arrivals, [this.#roomId, position])
  }

  #place(transaction: TimelineTransaction, eventId: EventId, position: Pick<StoredEvent, 'position'>): void {
    // A redaction later in the same commit may have replaced the event.
    const event = this.#events.changed.get(eventId)
    if (event === undefined) throw new Error('an event without content takes its place')
    const { depth, origin_server_ts: timestamp } = event.pdu
    const placed = { ...event, ...position, sequence: historyPlaceOf(eventId) }
    this.#events.put(placed)
    this.#placed(placed)
    transaction.batch.put(roomsTables.history, [this.#roomId, depth, placed.sequence, eventId], { eventId, ...position })
    transaction.batch.put(roomsTables.times, [this.#roomId, Math.max(0, timestamp), eventId], true)
    putRelation(transaction.batch, placed)
  }
}
