import {
  checkContentHash,
  type EventId,
  eventIdOf,
  type Pdu,
  roomIdOf,
  type RoomId,
  type RoomVersion,
  serverNameOf,
  type ServerName,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { PeerNetwork } from '../../ports/peer-network.ts'
import type { Crypto } from '../../ports/crypto.ts'
import { lacksContent, type ReceiveOutcome, type Rooms } from '../../rooms/index.ts'
import { isEventSigned } from '../event-signatures.ts'
import type { Allowance } from '../fetch/fetch-budgets.ts'
import type { FetchEvents } from '../fetch/fetch-events.ts'
import type { FetchState } from '../fetch/fetch-state.ts'
import { sortParentsFirst } from '../fetch/parse-pdus.ts'
import { reachable } from '../fetch/reachable.ts'
import { serversToAsk } from '../fetch/servers-to-ask.ts'
import { ReaderServer } from '../reader-server.ts'
import type { MissingQuestion } from './missing-by-mail.ts'

export interface IntakeParts {
  readonly crypto: Crypto
  readonly rooms: Rooms
  readonly fetch: FetchEvents
  readonly fetchState: FetchState
  readonly network: Pick<PeerNetwork, 'connections'>
  readonly serverName: ServerName
}

export interface IntakeInput {
  readonly roomId: RoomId
  readonly version: RoomVersion
  /** Who brought the events, or may have what they miss: asked first. */
  readonly source: ServerName
  readonly pdus: Iterable<Pdu>
  /** What fetching for these events may cost. */
  readonly allowance: Allowance
}

/**
 * Some events on their way into a room, with those that were fetched for them.
 *
 * Bounds: each round asks one server, none is asked twice for the same, answers count only as far as they were asked for, and
 * everything fetched fits `fetchedCharactersMax`. So neither a liar, nor a silent server, nor a history without beginning keeps this going.
 */
export class Intake {
  readonly outcomes = new Map<EventId, ReceiveOutcome>()
  readonly #parts: IntakeParts
  readonly #input: IntakeInput
  /** Events without a final outcome. */
  readonly #pending = new Map<EventId, Pdu>()
  readonly #given: ReadonlySet<EventId>
  /** Given events whose content is not what was hashed. They are a last resort, and stay in doubt until a redaction or a whole copy explains them. */
  readonly #damaged = new Map<EventId, Pdu>()
  /** What each server was asked for already; it is not asked for that again. */
  readonly #askedFor = new Map<ServerName, Set<EventId>>()
  readonly #silent = new Set<ServerName>()
  #fetchedCharacters = 0

  constructor(parts: IntakeParts, input: IntakeInput) {
    this.#parts = parts
    this.#input = input
    for (const pdu of input.pdus) this.#pending.set(eventIdOf(pdu, input.version), pdu)
    this.#given = new Set(this.#pending.keys())
  }

  /** Something is missing that somebody may have. */
  get isStuck(): boolean {
    return this.#wanted().size > 0
  }

  /** What is missing, and what waits for it. */
  get question(): MissingQuestion {
    return {
      latest: [
        ...this.#latest(),
        ...this.#gaps()
          .values()
          .flatMap((successors) => successors),
      ],
      wanted: [...this.#wanted()],
    }
  }

  get progressed(): boolean {
    return this.outcomes.values().some(({ kind }) => kind === 'accepted')
  }

  /** Those of the given events that wait for others, or for a whole copy. Events that only wait for each other, in a circle, wait for nothing. */
  waitingEvents(): Map<EventId, Pdu> {
    const waiting = new Map(this.#damaged)
    if (!this.isStuck) return waiting
    for (const [eventId, pdu] of this.#pending) if (this.#given.has(eventId)) waiting.set(eventId, pdu)
    return waiting
  }

  settledEvents(): EventId[] {
    const waiting = this.waitingEvents()
    return [...this.#given].filter((eventId) => !waiting.has(eventId))
  }

  /** Before anything is received: given events that came damaged are replaced by whole ones, where somebody has them. */
  async mendGiven(signal: AbortSignal): Promise<void> {
    for (const [eventId, pdu] of await this.#intactCopies(this.#pending, this.#input.source, signal)) this.#pending.set(eventId, pdu)
  }

  /**
   * Given events that stay damaged are not received with the others: whoever brought them may show others the whole ones. Should they be
   * needed, they are fetched like any that is missing.
   */
  async setDamagedAside(signal: AbortSignal): Promise<void> {
    for (const [eventId, pdu] of this.#pending) {
      if (!this.#given.has(eventId) || checkContentHash(pdu, this.#input.version)) continue
      this.#damaged.set(eventId, pdu)
      this.#pending.delete(eventId)
      this.outcomes.set(eventId, { kind: 'missing', eventId, eventIds: [eventId], authEventIds: [] })
    }
    await this.#forgetExplained(signal)
  }

  /**
   * The damaged copies count as redacted events, where others wait for them and nobody reachable has another; so nothing waits for ever for
   * what was redacted before it was delivered. They stay in doubt: a whole copy that turns up later takes the place of what was stored.
   * @param all also those that nothing waits for.
   */
  async believeDamaged(all: boolean, signal: AbortSignal): Promise<void> {
    const wanted = this.#wanted()
    const believed = new Map(this.#damaged.entries().filter(([eventId]) => all || wanted.has(eventId)))
    if (believed.size > 0) {
      for (const [eventId, pdu] of believed) this.#pending.set(eventId, pdu)
      await this.receivePending(signal)
    }
    await this.#forgetExplained(signal)
  }

  /** Looks for whole copies of those that are in doubt. */
  async mendDamaged(signal: AbortSignal): Promise<void> {
    if (this.#damaged.size === 0) return
    for (const [eventId, pdu] of await this.#intactCopies(this.#damaged, this.#input.source, signal)) {
      this.#damaged.delete(eventId)
      this.#pending.set(eventId, pdu)
    }
    await this.receivePending(signal)
  }

  /** Nobody is in doubt about what is stored whole, was redacted since, is shown to nobody, or is told to this server in its redacted form only. */
  async #forgetExplained(signal: AbortSignal): Promise<void> {
    const eventIds = [...this.#damaged.keys()]
    if (eventIds.length === 0) return
    const { rooms, serverName } = this.#parts
    const stored = await rooms.events(eventIds)
    const reader = new ReaderServer({ rooms }, serverName)
    for (const [index, eventId] of eventIds.entries()) {
      const event = stored[index]
      if (event === undefined || event.status === 'outlier') continue
      if (event.status === 'accepted' && lacksContent(event, this.#input.version) && (await reader.mayRead(event))) continue
      signal.throwIfAborted()
      this.#damaged.delete(eventId)
      if (this.outcomes.get(eventId)?.kind === 'missing') this.outcomes.set(eventId, { kind: 'duplicate', eventId })
    }
  }

  async receivePending(signal: AbortSignal): Promise<void> {
    await this.#receive(this.#pending, signal)
  }

  /** Fetches what is missing, a server a round. */
  async fillGaps(roundsMax: number, signal: AbortSignal): Promise<void> {
    for (let round = 0; round < roundsMax && this.#fetchedCharacters < limits.implementation.fetchedCharactersMax; round++) {
      const question = this.#nextQuestion()
      if (question === undefined) return
      const { server, wanted } = question
      const { roomId, allowance } = this.#input
      const gaps = this.#gaps()
      const latest = [...this.#latest(), ...gaps.values().flatMap((successors) => successors)]
      const answered = await this.#parts.fetch.missing(server, roomId, { latest, wanted }, allowance, signal)
      if (answered === undefined) this.#silent.add(server)
      else await this.#takeFetched(reachable(new Set([...this.#wanted(), ...gaps.keys()]), answered), server, signal)
      // They were only to show what lies behind them; nobody here waits for them.
      for (const eventId of gaps.keys()) if (!this.#given.has(eventId)) this.#pending.delete(eventId)
    }
  }

  /**
   * What the room's own events are known to lack. What is fetched may lie behind it, as all that was before a join does: it is told from
   * what is new only together with the events at the gap.
   */
  #gaps(): ReadonlyMap<EventId, ReadonlySet<EventId>> {
    const gaps = [...this.#parts.rooms.gaps(this.#input.roomId)].filter(([eventId]) => !this.#pending.has(eventId))
    return new Map(gaps.slice(0, limits.implementation.gapsAskedForMax))
  }

  /**
   * The gap is too large to be filled: takes the oldest event with the state that other servers tell, and goes on from there.
   * What lies before it is fetched when somebody reads that far back.
   */
  async startAnew(believesOneAlone: boolean, signal: AbortSignal): Promise<void> {
    const [oldest] = sortParentsFirst(this.#pending)
    if (oldest === undefined) return
    const { roomId, version, source, allowance } = this.#input
    const eventId = eventIdOf(oldest, version)
    const question = { roomId, eventId, author: serverNameOf(oldest.sender), source, believesOneAlone }
    const before = await this.#parts.fetchState.before(question, allowance, signal)
    if (before === undefined) return
    signal.throwIfAborted()
    this.#note(eventId, await this.#parts.rooms.receiveWithState(roomId, oldest, before, signal))
    if (!this.#pending.has(eventId)) await this.receivePending(signal)
  }

  async #takeFetched(fetched: Map<EventId, Pdu>, server: ServerName, signal: AbortSignal): Promise<void> {
    const { version, roomId } = this.#input
    const taken = new Map<EventId, Pdu>()
    for (const [eventId, pdu] of fetched) {
      if (this.#pending.has(eventId) || roomIdOf(pdu, version) !== roomId) continue
      this.#fetchedCharacters += JSON.stringify(pdu).length
      taken.set(eventId, pdu)
    }
    for (const [eventId, pdu] of await this.#intactCopies(taken, server, signal)) taken.set(eventId, pdu)
    for (const [eventId, pdu] of taken) this.#pending.set(eventId, pdu)
    await this.#receive(taken, signal)
    // Walking backwards, one more step back changes nothing for those that came before it.
    if (taken.keys().some((eventId) => !this.#pending.has(eventId))) await this.receivePending(signal)
  }

  /**
   * An event whose content is not what was hashed counts as redacted, for good. That may be so, or `server` tampered with it, which no
   * signature shows: its own server and others are asked before that is believed.
   */
  async #intactCopies(pdus: ReadonlyMap<EventId, Pdu>, server: ServerName, signal: AbortSignal): Promise<Map<EventId, Pdu>> {
    const { roomId, version, allowance } = this.#input
    const doubtful: EventId[] = []
    const authors = new Set<ServerName>()
    for (const [eventId, pdu] of pdus) {
      const author = serverNameOf(pdu.sender)
      if (checkContentHash(pdu, version) || !(await isEventSigned(this.#parts.crypto, pdu, version))) continue
      doubtful.push(eventId)
      authors.add(author)
    }
    if (doubtful.length === 0) return new Map()
    const others = new Set([...authors, ...this.#servers()])
    others.delete(server)
    others.delete(this.#parts.serverName)
    const asked = [...others].slice(0, limits.implementation.intactCopyServersMax)
    const copies = await this.#parts.fetch.events(roomId, doubtful, asked, allowance, signal)
    return new Map(copies.entries().filter(([, pdu]) => checkContentHash(pdu, version)))
  }

  /** Signatures are checked first: an event that nobody signed causes no fetching. */
  async #receive(pdus: ReadonlyMap<EventId, Pdu>, signal: AbortSignal): Promise<void> {
    if (pdus.size === 0) return
    const outcomes = await this.#parts.rooms.receiveMany(this.#input.roomId, sortParentsFirst(pdus), signal)
    for (const [eventId, outcome] of outcomes) this.#note(eventId, outcome)
  }

  #note(eventId: EventId, outcome: ReceiveOutcome): void {
    this.outcomes.set(eventId, outcome)
    if (outcome.kind !== 'missing') this.#pending.delete(eventId)
  }

  /** Whom to ask for what next; undefined when nobody is left who was not asked for it. */
  #nextQuestion(): { readonly server: ServerName; readonly wanted: ReadonlySet<EventId> } | undefined {
    const wanted = [...this.#wanted()]
    const exhausted = [...this.#askedFor].filter(([, asked]) => wanted.every((eventId) => asked.has(eventId))).map(([server]) => server)
    const [server] = this.#servers(exhausted)
    if (wanted.length === 0 || server === undefined) return undefined
    const asked = this.#askedFor.get(server) ?? new Set()
    this.#askedFor.set(server, asked)
    const fresh = wanted.filter((eventId) => !asked.has(eventId)).slice(0, limits.implementation.eventsFetchedSinglyMax)
    for (const eventId of fresh) asked.add(eventId)
    return { server, wanted: new Set(fresh) }
  }

  /** Those best placed to help, without those that do not answer. */
  #servers(except: Iterable<ServerName> = []): ServerName[] {
    const { roomId, source } = this.#input
    return serversToAsk(this.#parts, roomId, [source], new Set([...this.#silent, ...except]))
  }

  /** What the pending events lack, and are not themselves. */
  #wanted(): Set<EventId> {
    const wanted = new Set<EventId>()
    for (const eventId of this.#pending.keys()) for (const missing of this.#missingOf(eventId)) wanted.add(missing)
    return wanted
  }

  #missingOf(eventId: EventId): EventId[] {
    const outcome = this.outcomes.get(eventId)
    return outcome?.kind === 'missing' ? outcome.eventIds.filter((missing) => !this.#pending.has(missing)) : []
  }

  /** The pending events that border on what is missing, the oldest first. */
  #latest(): EventId[] {
    const bordering = [...this.#pending].filter(([eventId]) => this.#missingOf(eventId).length > 0)
    return bordering.toSorted(([, left], [, right]) => left.depth - right.depth).map(([eventId]) => eventId)
  }
}
