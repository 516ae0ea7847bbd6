import { encodeBase64Url, type EventId, type JsonObject, type RoomId, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { Handoff } from '../../relay/handoff.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { OutboxRow } from '../../timeline/index.ts'
import type { KeyedQueue } from '../../keyed-queue.ts'
import type { PeerAnswer, PeerClient } from '../peer-client.ts'
import type { Semaphore } from '../semaphore.ts'
import { signJson } from '../signed-json.ts'
import { directTransaction, type Edu, relayTransaction } from '../transaction.ts'
import { Wake } from '../wake.ts'
import { Backoff } from './backoff.ts'
import type { Outbox, OutboxEntry } from './outbox.ts'
import type { SentRelayLists } from './sent-relay-lists.ts'

/** What every destination works with. */
export interface DestinationParts {
  readonly ports: Pick<Ports, 'clock' | 'random' | 'log' | 'crypto' | 'network'>
  readonly serverName: ServerName
  readonly outbox: Outbox
  readonly client: PeerClient
  readonly handoff: Handoff
  readonly relayLists: RelayLists
  readonly sentRelayLists: SentRelayLists
  /** Changes of one destination's rows, one after the other. */
  readonly settling: KeyedQueue<ServerName>
  readonly attempts: Semaphore
  readonly roomsSharedWith: (server: ServerName) => readonly RoomId[]
  readonly extremitiesOf: (roomId: RoomId) => readonly EventId[]
}

const EXPIRY_CHECK_MIN_MS = 1_000

type DirectOutcome = 'nothing' | 'sent' | 'failed'
type HandoffStep = 'nothing' | 'held' | 'failed'

/**
 * Brings the outbox rows of one server there, directly or through relays, one transaction at a time.
 *
 * Invariants:
 * 1. A row leaves the outbox only when the server has answered 200 to it or acknowledged it; a relay's word only changes its state.
 * 2. Rows go in the order in which they were queued. A direct transaction begins with the oldest row, also when relays hold it:
 *    receiving twice does no harm, receiving out of order would.
 * 3. Whatever is sent again unchanged has the same transaction id, until a relay or the server has taken it.
 */
export class Destination {
  readonly #server: ServerName
  readonly #parts: DestinationParts
  readonly #signal: AbortSignal
  readonly #wake = new Wake()
  readonly #direct: Backoff
  readonly #handoff: Backoff
  /** Until then the server may acknowledge by itself what it fetches from relays. */
  #graceUntil: number
  /** The server has connected: it has yet to be told what the shared rooms from this one on look like here. */
  #greetFrom: number | undefined
  #ephemeral: { readonly edu: Edu; readonly expiresAt: number }[] = []
  #transaction: { readonly positions: string; readonly id: string } | undefined
  #handingOver: { readonly id: string; acknowledged: boolean } | undefined
  readonly #tooLargeForRelays = new Set<number>()
  #handoffEntriesMax = Number.POSITIVE_INFINITY

  constructor(server: ServerName, parts: DestinationParts, signal: AbortSignal) {
    this.#server = server
    this.#parts = parts
    this.#signal = signal
    this.#direct = new Backoff(parts.ports.clock, parts.ports.random)
    this.#handoff = new Backoff(parts.ports.clock, parts.ports.random)
    this.#graceUntil = parts.ports.clock.now() + limits.implementation.acknowledgementGraceMs
  }

  /** New rows were committed. */
  rowsAdded(): void {
    this.#wake.wake()
  }

  peerConnected(): void {
    this.#direct.reset()
    this.#greetFrom = 0
    this.#graceUntil = this.#parts.ports.clock.now() + limits.implementation.acknowledgementGraceMs
    this.#wake.wake()
  }

  /** A relay of this or that server can be used now, or its list is known now. */
  relaysChanged(): void {
    this.#handoff.reset()
    this.#wake.wake()
  }

  addEphemeral(edu: Edu): void {
    if (this.#direct.failing && !this.#isConnected()) return
    const expiresAt = this.#parts.ports.clock.now() + limits.implementation.ephemeralLifetimeMs
    this.#ephemeral.push({ edu, expiresAt })
    if (this.#ephemeral.length > limits.implementation.ephemeralPerDestinationMax) this.#ephemeral.shift()
    this.#wake.wake()
  }

  /** The server has taken these transactions in. */
  async acknowledge(transactionIds: ReadonlySet<string>): Promise<void> {
    // The acknowledgement may overtake the relay's answer; the rows are then settled instead of marked.
    if (this.#handingOver !== undefined && transactionIds.has(this.#handingOver.id)) this.#handingOver.acknowledged = true
    await this.#parts.settling.run(this.#server, () => this.#parts.outbox.acknowledge(this.#server, transactionIds))
  }

  /** Works until the signal aborts. */
  async run(): Promise<void> {
    const { clock, log } = this.#parts.ports
    while (!this.#signal.aborted) {
      try {
        const pauseMs = await this.#step()
        if (pauseMs > 0) await this.#wake.wait(clock, pauseMs, this.#signal)
      } catch (error) {
        if (this.#signal.aborted) return
        log.error('Delivering failed', { destination: this.#server, error: error instanceof Error ? error.name : 'unknown' })
        this.#direct.fail()
        this.#handoff.fail()
        await this.#wake.wait(clock, this.#direct.remainingMs, this.#signal).catch(() => undefined)
      }
    }
  }

  /** Tries what is due. Answers for how long nothing will be, unless something wakes this destination. */
  async #step(): Promise<number> {
    // While the server is known to be away, what waits goes to its relays before the next call at its door.
    if (this.#direct.failing && !this.#isConnected() && this.#handoff.remainingMs === 0) {
      if ((await this.#tryHandoff()) === 'held') return 0
    }
    if (this.#direct.remainingMs === 0) {
      const outcome = await this.#tryDirect()
      if (outcome === 'sent') return 0
      if (outcome === 'nothing') return this.#graceMs()
      if (!this.#isConnected() && this.#handoff.remainingMs === 0 && (await this.#tryHandoff()) === 'held') return 0
    }
    return this.#pauseMs()
  }

  /** Only asked when nothing but held rows, or nothing at all, is left. */
  #graceMs(): number {
    const remainingMs = this.#graceUntil - this.#parts.ports.clock.now()
    return remainingMs > 0 ? remainingMs : Number.POSITIVE_INFINITY
  }

  async #pauseMs(): Promise<number> {
    const pauses = [Math.max(this.#direct.remainingMs, 1)]
    if (this.#handoff.remainingMs > 0) pauses.push(this.#handoff.remainingMs)
    // While the server is connected nothing is handed over, so the end of a custody changes nothing.
    const expiry = this.#isConnected() ? undefined : await this.#parts.outbox.nextExpiry(this.#server)
    if (expiry !== undefined) pauses.push(Math.max(expiry - this.#parts.ports.clock.now(), this.#handoff.remainingMs, EXPIRY_CHECK_MIN_MS))
    return Math.min(...pauses)
  }

  async #tryDirect(): Promise<DirectOutcome> {
    const { outbox } = this.#parts
    // Read before the rows: what a greeting names is then in this transaction or was in one before.
    const greeting = this.#greeting()
    const batch = await outbox.nextBatch(this.#server, () => true)
    const held = batch.entries.length > 0 && batch.entries.every(({ row }) => row.state.kind === 'at-relay')
    const inGrace = held && this.#parts.ports.clock.now() < this.#graceUntil
    const entries = inGrace ? [] : batch.entries
    const greets = greeting !== undefined && batch.complete && !inGrace
    const ephemeral = this.#takeEphemeral(entries)
    if (entries.length === 0 && ephemeral.length === 0 && !greets) return 'nothing'
    const extremities = greets ? greeting.extremities : this.#extremitiesFor(batch.complete ? entries : [])
    const members = await this.#members(extremities)
    const answer = await this.#sendTransaction(entries, ephemeral, members)
    if (answer.kind !== 'ok') return this.#directFailed(answer)
    if (greets) this.#greetFrom = greeting.next
    this.#direct.reset()
    this.#transaction = undefined
    await this.#parts.sentRelayLists.confirm(this.#server, members)
    const positions = entries.map(({ position }) => position)
    await this.#parts.settling.run(this.#server, () => outbox.settle(this.#server, positions))
    return 'sent'
  }

  #sendTransaction(entries: readonly OutboxEntry[], ephemeral: readonly Edu[], members: JsonObject): Promise<PeerAnswer> {
    const { client, attempts } = this.#parts
    const body = directTransaction({ ...this.#contentOf(entries, ephemeral), members })
    const path = `/_matrix/federation/v1/send/${encodeURIComponent(this.#transactionIdFor(entries))}`
    const timeoutMs = this.#isConnected() ? limits.implementation.deliverConnectedTimeoutMs : limits.implementation.deliverTimeoutMs
    return attempts.run(this.#signal, () => client.call(this.#server, { method: 'PUT', path, body, timeoutMs }, this.#signal))
  }

  #directFailed(answer: Exclude<PeerAnswer, { kind: 'ok' }>): DirectOutcome {
    const retryAfterMs = answer.kind === 'refused' ? Number(answer.members['retry_after_ms']) : Number.NaN
    this.#direct.fail(Number.isFinite(retryAfterMs) ? retryAfterMs : 0)
    // A greeting is only worth anything while the connection lives.
    if (!this.#isConnected()) this.#greetFrom = undefined
    if (answer.kind !== 'unreachable') {
      this.#parts.ports.log.warn('A peer did not take a transaction', { destination: this.#server, reason: answer.kind })
    }
    return 'failed'
  }

  async #tryHandoff(): Promise<HandoffStep> {
    const { outbox, handoff, ports, attempts, settling } = this.#parts
    const batch = await outbox.nextBatch(this.#server, (row, position) => this.#isDueForRelay(row, position))
    const entries = batch.entries.slice(0, this.#handoffEntriesMax)
    if (entries.length === 0) return 'nothing'
    const id = this.#transactionIdFor(entries)
    const members = await this.#members(new Map())
    const unsigned = relayTransaction({ ...this.#contentOf(entries, []), members }, this.#server, id)
    const signed = await signJson(ports.crypto, this.#parts.serverName, unsigned)
    const current = { id, acknowledged: false }
    this.#handingOver = current
    try {
      const outcome = await attempts.run(this.#signal, () => handoff.handOver(this.#server, id, signed, this.#signal))
      if (outcome.kind === 'too-large') return this.#shrinkHandoff(entries)
      if (outcome.kind === 'no-relay') {
        this.#handoff.fail(outcome.retryAfterMs)
        return 'failed'
      }
      const positions = entries.map(({ position }) => position)
      const custody = { transactionId: id, relays: outcome.relays, expiresAt: outcome.expiresAt }
      await settling.run(this.#server, () =>
        current.acknowledged ? outbox.settle(this.#server, positions) : outbox.markAtRelay(this.#server, positions, custody),
      )
      this.#handoff.reset()
      this.#handoffEntriesMax = Number.POSITIVE_INFINITY
      this.#transaction = undefined
      return 'held'
    } finally {
      this.#handingOver = undefined
    }
  }

  #isDueForRelay(row: OutboxRow, position: number): boolean {
    if (this.#tooLargeForRelays.has(position)) return false
    return row.state.kind === 'waiting' || row.state.expiresAt <= this.#parts.ports.clock.now()
  }

  #shrinkHandoff(entries: readonly OutboxEntry[]): HandoffStep {
    const [first] = entries
    if (entries.length === 1 && first !== undefined) {
      this.#tooLargeForRelays.add(first.position)
      this.#parts.ports.log.warn('An item is too large for the relays and waits for its destination', { destination: this.#server })
    }
    this.#handoffEntriesMax = Math.max(1, Math.floor(entries.length / 2))
    return 'held'
  }

  #contentOf(entries: readonly OutboxEntry[], ephemeral: readonly Edu[]) {
    const durable = entries.flatMap(({ content }) => (content.kind === 'edu' ? [content.edu] : []))
    return {
      origin: this.#parts.serverName,
      now: this.#parts.ports.clock.now(),
      pdus: entries.flatMap(({ content }) => (content.kind === 'pdu' ? [content.pdu] : [])),
      edus: [...durable, ...ephemeral],
    }
  }

  async #members(extremities: ReadonlyMap<RoomId, readonly EventId[]>): Promise<JsonObject> {
    const list = (await this.#parts.sentRelayLists.isCurrent(this.#server)) ? {} : { 'im.kith.relay_list': this.#parts.relayLists.own }
    return extremities.size === 0 ? list : { ...list, 'im.kith.extremities': Object.fromEntries(extremities) }
  }

  #greeting(): { readonly extremities: Map<RoomId, readonly EventId[]>; readonly next: number | undefined } | undefined {
    const from = this.#greetFrom
    if (from === undefined || !this.#isConnected()) return undefined
    const rooms = this.#parts.roomsSharedWith(this.#server)
    const to = from + limits.implementation.extremitiesRoomsPerTransactionMax
    return { extremities: this.#readExtremities(rooms.slice(from, to)), next: to < rooms.length ? to : undefined }
  }

  #extremitiesFor(entries: readonly OutboxEntry[]): Map<RoomId, readonly EventId[]> {
    const rooms = new Set(entries.flatMap(({ row: { item } }) => (item.kind === 'pdu' ? [item.roomId] : [])))
    return this.#readExtremities([...rooms].slice(0, limits.implementation.extremitiesRoomsPerTransactionMax))
  }

  #readExtremities(rooms: readonly RoomId[]): Map<RoomId, readonly EventId[]> {
    const { extremitiesPerRoomMax } = limits.implementation
    return new Map(rooms.map((roomId) => [roomId, this.#parts.extremitiesOf(roomId).slice(0, extremitiesPerRoomMax)] as const))
  }

  /** Ephemeral EDUs fill what the durable ones leave; each is tried once. */
  #takeEphemeral(entries: readonly OutboxEntry[]): Edu[] {
    const durable = entries.filter(({ row }) => row.item.kind === 'edu').length
    const now = this.#parts.ports.clock.now()
    const live = this.#ephemeral.filter(({ expiresAt }) => expiresAt > now)
    const taken = live.slice(0, limits.specification.edusPerTransactionMax - durable)
    this.#ephemeral = live.slice(taken.length)
    return taken.map(({ edu }) => edu)
  }

  #transactionIdFor(entries: readonly OutboxEntry[]): string {
    const positions = entries.map(({ position }) => position).join()
    if (positions === '' || this.#transaction?.positions !== positions) {
      this.#transaction = { positions, id: encodeBase64Url(this.#parts.ports.random.bytes(16)) }
    }
    return this.#transaction.id
  }

  #isConnected(): boolean {
    return this.#parts.ports.network.connections().some((connection) => connection.server === this.#server)
  }
}
