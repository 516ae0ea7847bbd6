import { type EventId, eventIdOf, type Pdu, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { ReceiveOutcome } from '../../rooms/index.ts'
import { DeadlineError, withDeadline } from '../deadline.ts'
import type { FetchBudgets } from '../fetch/fetch-budgets.ts'
import type { StagedEvent } from '../tables.ts'
import { Intake, type IntakeParts } from './intake.ts'
import type { MissingByMail } from './missing-by-mail.ts'
import type { StagedEvents } from './staged-events.ts'

export interface RoomIntakeParts extends IntakeParts {
  readonly staged: StagedEvents
  readonly budgets: FetchBudgets
  readonly missingByMail: MissingByMail
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
    const intake = this.#intake(roomId, origin, origin, pdus)
    if (intake === undefined) return new Map()
    const { fetchRoundsMax, fetchWithinTransactionMs } = limits.implementation
    await this.#boundedFetch(fetchWithinTransactionMs, signal, (bounded) => intake.mendGiven(bounded))
    await intake.setDamagedAside(signal)
    await intake.receivePending(signal)
    if (intake.isStuck) await this.#boundedFetch(fetchWithinTransactionMs, signal, (bounded) => intake.fillGaps(fetchRoundsMax, bounded))
    if (this.#isInside(roomId)) await this.#parts.staged.add(roomId, origin, intake.waitingEvents(), signal)
    else if (this.#parts.staged.has(roomId)) await this.#unstage(roomId, signal)
    // What arrived may be what others were waiting for.
    if (intake.progressed && this.#parts.staged.has(roomId)) await this.#receiveStaged(roomId, signal)
    return intake.outcomes
  }

  /**
   * Tries the staged events of a room again, with more patience than a peer that waits for its answer has.
   * @param source has just come within reach: it is asked first, and whatever was tried in vain before is tried again with it.
   */
  async retryStaged(roomId: RoomId, source: ServerName | undefined, signal: AbortSignal): Promise<void> {
    if (!this.#isInside(roomId)) return this.#unstage(roomId, signal)
    await this.#receiveStaged(roomId, signal)
    const now = this.#parts.clock.now()
    const due = (await this.#parts.staged.read(roomId)).filter((event) => source !== undefined || event.retryAt <= now)
    // Whoever brought an event answers for what it costs.
    for (const [origin, events] of Map.groupBy(due, (event) => event.origin)) {
      await this.#retryOf(roomId, origin, source ?? origin, events, signal)
    }
    // What came may have told that this server is out.
    if (!this.#isInside(roomId)) await this.#unstage(roomId, signal)
  }

  async #retryOf(
    roomId: RoomId,
    origin: ServerName,
    source: ServerName,
    events: readonly StagedEvent[],
    signal: AbortSignal,
  ): Promise<void> {
    const pdus = events.map(({ pdu }) => pdu)
    const intake = this.#intake(roomId, origin, source, pdus)
    if (intake === undefined) return
    const { staged, clock } = this.#parts
    const { fetchRoundsInBackgroundMax, fetchInBackgroundMs, stagedPatienceMs } = limits.implementation
    const outOfPatience = events.some(({ stagedAt }) => stagedAt <= clock.now() - stagedPatienceMs)
    await intake.setDamagedAside(signal)
    await intake.receivePending(signal)
    await this.#boundedFetch(fetchInBackgroundMs, signal, async (bounded) => {
      await intake.mendDamaged(bounded)
      await intake.fillGaps(fetchRoundsInBackgroundMax, bounded)
    })
    // Also when there was no time to ask everybody: it is what the others would have if it was redacted.
    await intake.believeDamaged(outOfPatience, signal)
    await this.#boundedFetch(fetchInBackgroundMs, signal, async (bounded) => {
      await intake.fillGaps(fetchRoundsInBackgroundMax, bounded)
      // While most of a room's state is unknown here, whoever joined it completes it; a second source would only get in the way.
      if (intake.isStuck && !this.#parts.rooms.isPartial(roomId)) await intake.startAnew(outOfPatience, bounded)
    })
    await staged.settle(roomId, { settled: intake.settledEvents(), stuck: intake.waitingEvents() }, signal)
    if (intake.isStuck && !this.#isConnected(origin)) await this.#parts.missingByMail.ask(roomId, origin, intake.question, signal)
  }

  async #receiveStaged(roomId: RoomId, signal: AbortSignal): Promise<void> {
    const events = await this.#parts.staged.read(roomId)
    const [first] = events
    if (first === undefined) return
    const pdus = events.map(({ pdu }) => pdu)
    const intake = this.#intake(roomId, first.origin, first.origin, pdus)
    if (intake === undefined) return
    await intake.setDamagedAside(signal)
    await intake.receivePending(signal)
    await this.#parts.staged.settle(roomId, { settled: intake.settledEvents(), stuck: new Map() }, signal)
  }

  #isConnected(server: ServerName): boolean {
    return this.#parts.network.connections().some((connection) => connection.server === server)
  }

  /** A server that has left hears of what concerns its users' invites, and nobody owes it what that builds on. */
  #isInside(roomId: RoomId): boolean {
    const { rooms, serverName } = this.#parts
    return rooms.isPartial(roomId) || rooms.state(roomId)?.isJoined(serverName) === true
  }

  async #unstage(roomId: RoomId, signal: AbortSignal): Promise<void> {
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return
    const settled = (await this.#parts.staged.read(roomId)).map(({ pdu }) => eventIdOf(pdu, version))
    await this.#parts.staged.settle(roomId, { settled, stuck: new Map() }, signal)
  }

  #intake(roomId: RoomId, cause: ServerName, source: ServerName, pdus: readonly Pdu[]): Intake | undefined {
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return undefined
    const { budgets, rooms } = this.#parts
    const allowance = rooms.state(roomId)?.isJoined(cause) === true ? budgets.of(cause) : budgets.ofStrangers()
    return new Intake(this.#parts, { roomId, version, source, pdus, allowance })
  }

  /** Running out of time is no failure: what is still missing is staged. */
  async #boundedFetch(durationMs: number, signal: AbortSignal, fetch: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await withDeadline(this.#parts.clock, durationMs, signal, fetch)
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error
    }
  }
}
