import { type EventId, eventIdOf, type Pdu, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { ReceiveOutcome, Rooms } from '../../rooms/index.ts'
import { DeadlineError, withDeadline } from '../deadline.ts'
import type { FetchEvents } from '../fetch/fetch-events.ts'
import { sortByDepth } from '../fetch/parse-pdus.ts'
import type { StagedEvents } from './staged-events.ts'

export interface RoomIntakeParts {
  readonly rooms: Rooms
  readonly fetch: FetchEvents
  readonly staged: StagedEvents
  readonly clock: Clock
}

/**
 * Brings events of other servers into a room: gives them to rooms, fetches what they build on, and gives them again, a bounded number of
 * times. What nobody reachable can complete is staged, durably, for later.
 */
export class RoomIntake {
  readonly #parts: RoomIntakeParts

  constructor(parts: RoomIntakeParts) {
    this.#parts = parts
  }

  /** When this resolves, each event is stored, staged or refused. @throws storage failures; then nothing may be acknowledged. */
  async receive(roomId: RoomId, pdus: readonly Pdu[], origin: ServerName, signal: AbortSignal): Promise<Map<EventId, ReceiveOutcome>> {
    const intake = new Intake(this.#parts, roomId, origin, pdus)
    await intake.receivePending(signal)
    if (intake.isStuck) {
      await this.#boundedFetch(signal, (bounded) => intake.fillGaps(bounded))
      await this.#parts.staged.add(roomId, origin, intake.stuckEvents(), signal)
    }
    // What arrived may be what others were waiting for.
    if (intake.progressed && this.#parts.staged.has(roomId)) await this.#receiveStaged(roomId, origin, signal)
    return intake.outcomes
  }

  /** Tries the staged events of a room again; `source` has just come within reach, or may be the one that has what is missing. */
  async retryStaged(roomId: RoomId, source: ServerName, signal: AbortSignal): Promise<void> {
    const intake = await this.#receiveStaged(roomId, source, signal)
    if (intake === undefined || !intake.isStuck) return
    const since = this.#parts.clock.now() - limits.implementation.stagedPatienceMs
    const tooLong = (await this.#parts.staged.read(roomId)).some(({ stagedAt }) => stagedAt <= since)
    await this.#boundedFetch(signal, async (bounded) => {
      await intake.fillGaps(bounded)
      if (tooLong && intake.isStuck) await intake.startAnew(bounded)
    })
    await this.#parts.staged.remove(roomId, intake.settledEvents(), signal)
  }

  async #receiveStaged(roomId: RoomId, source: ServerName, signal: AbortSignal): Promise<Intake | undefined> {
    const events = await this.#parts.staged.read(roomId)
    if (events.length === 0) return undefined
    const intake = new Intake(
      this.#parts,
      roomId,
      source,
      events.map(({ pdu }) => pdu),
    )
    await intake.receivePending(signal)
    await this.#parts.staged.remove(roomId, intake.settledEvents(), signal)
    return intake
  }

  /** Running out of time is no failure: what is still missing is staged. */
  async #boundedFetch(signal: AbortSignal, fetch: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await withDeadline(this.#parts.clock, limits.implementation.fetchWithinTransactionMs, signal, fetch)
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error
    }
  }
}

/** The events of one call on their way in. */
class Intake {
  readonly outcomes = new Map<EventId, ReceiveOutcome>()
  readonly #parts: RoomIntakeParts
  readonly #roomId: RoomId
  readonly #source: ServerName
  /** Events without a final outcome. */
  readonly #pending = new Map<EventId, Pdu>()
  readonly #given: ReadonlySet<EventId>

  constructor(parts: RoomIntakeParts, roomId: RoomId, source: ServerName, pdus: readonly Pdu[]) {
    this.#parts = parts
    this.#roomId = roomId
    this.#source = source
    this.#add(pdus)
    this.#given = new Set(this.#pending.keys())
  }

  get isStuck(): boolean {
    return this.#pending.size > 0
  }

  get progressed(): boolean {
    return [...this.outcomes.values()].some(({ kind }) => kind === 'accepted')
  }

  /** Those of the given events that still miss something. */
  stuckEvents(): Map<EventId, Pdu> {
    return new Map([...this.#pending].filter(([eventId]) => this.#given.has(eventId)))
  }

  settledEvents(): EventId[] {
    return [...this.#given].filter((eventId) => !this.#pending.has(eventId))
  }

  async receivePending(signal: AbortSignal): Promise<void> {
    if (this.#pending.size === 0) return
    const outcomes = await this.#parts.rooms.receiveMany(this.#roomId, sortByDepth(this.#pending.values()), signal)
    for (const [eventId, outcome] of outcomes) {
      this.outcomes.set(eventId, outcome)
      if (outcome.kind !== 'missing') this.#pending.delete(eventId)
    }
  }

  async fillGaps(signal: AbortSignal): Promise<void> {
    for (let round = 0; round < limits.implementation.fetchRoundsMax && this.isStuck; round++) {
      const wanted = this.#wanted()
      const fetched = await this.#parts.fetch.missing(this.#roomId, { latest: this.#oldest(), wanted, preferred: [this.#source] }, signal)
      const before = this.#pending.size
      this.#add(fetched.values())
      // Nobody has what is missing. It may be on its way, as mail at a relay.
      if (this.#pending.size === before) return
      await this.receivePending(signal)
    }
    if (this.isStuck) await this.startAnew(signal)
  }

  /** The gap is too large to be filled: takes the oldest event with the state that another server tells, and goes on from there. */
  async startAnew(signal: AbortSignal): Promise<void> {
    const [oldest] = sortByDepth(this.#pending.values())
    const version = this.#parts.rooms.version(this.#roomId)
    if (oldest === undefined || version === undefined) return
    const eventId = eventIdOf(oldest, version)
    const before = await this.#parts.fetch.stateBefore(this.#roomId, eventId, [this.#source], signal)
    if (before === undefined) return
    signal.throwIfAborted()
    const outcome = await this.#parts.rooms.receiveWithState(this.#roomId, oldest, before, signal)
    this.outcomes.set(eventId, outcome)
    if (outcome.kind === 'missing') return
    this.#pending.delete(eventId)
    await this.receivePending(signal)
  }

  #wanted(): Set<EventId> {
    const wanted = new Set<EventId>()
    for (const outcome of this.outcomes.values()) {
      if (outcome.kind !== 'missing') continue
      for (const eventId of outcome.eventIds) if (!this.#pending.has(eventId)) wanted.add(eventId)
    }
    return wanted
  }

  #oldest(): EventId[] {
    return [...this.#pending].toSorted(([, left], [, right]) => left.depth - right.depth).map(([eventId]) => eventId)
  }

  #add(pdus: Iterable<Pdu>): void {
    const version = this.#parts.rooms.version(this.#roomId)
    if (version === undefined) return
    for (const pdu of pdus) {
      const eventId = eventIdOf(pdu, version)
      const outcome = this.outcomes.get(eventId)
      // Fetched events must be of this room; those with a final outcome need no second look.
      if (pdu.room_id === this.#roomId && (outcome === undefined || outcome.kind === 'missing')) this.#pending.set(eventId, pdu)
    }
  }
}
