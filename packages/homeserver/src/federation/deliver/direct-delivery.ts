import type { EventId, JsonObject, RoomId, ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { PeerAnswer } from '../peer-client.ts'
import { directTransaction, type Edu } from '../transaction.ts'
import { Backoff } from './backoff.ts'
import type { DestinationParts } from './destination.ts'
import { EphemeralQueue } from './ephemeral-queue.ts'
import type { OutboxEntry } from './outbox.ts'
import type { TransactionContents } from './transaction-contents.ts'

/** `in-grace`: nothing but rows that relays hold, and the server may be about to acknowledge them by itself. */
export type DirectOutcome = 'nothing' | 'in-grace' | 'sent' | 'failed'

/** Sends what is due to the server itself. */
export class DirectDelivery {
  readonly backoff: Backoff
  readonly #server: ServerName
  readonly #parts: DestinationParts
  readonly #contents: TransactionContents
  readonly #signal: AbortSignal
  readonly #ephemeral: EphemeralQueue
  #graceUntil: number
  /** The server has connected: it has yet to be told what the shared rooms from this one on look like here. */
  #greetFrom: number | undefined
  /** The last try got no answer at all, so a sign of life makes the next one worth while. */
  #gotNoAnswer = false
  /** The last connection broke during the call under way. */
  #lostConnection = false

  constructor(server: ServerName, parts: DestinationParts, contents: TransactionContents, signal: AbortSignal) {
    this.#server = server
    this.#parts = parts
    this.#contents = contents
    this.#signal = signal
    this.backoff = new Backoff(parts.ports.clock, parts.ports.random)
    this.#ephemeral = new EphemeralQueue(parts.ports.clock)
    this.#graceUntil = parts.ports.clock.now() + limits.implementation.acknowledgementGraceMs
  }

  get isConnected(): boolean {
    return this.#parts.ports.network.connections().some((connection) => connection.server === this.#server)
  }

  /** The server is known to be away: the last try failed, or the connection broke during the one under way, which dials anew. */
  get isAway(): boolean {
    return (this.backoff.failing || this.#lostConnection) && !this.isConnected
  }

  get graceMs(): number {
    return Math.max(0, this.#graceUntil - this.#parts.ports.clock.now())
  }

  peerConnected(): void {
    this.backoff.reset()
    this.#greetFrom = 0
    this.#graceUntil = this.#parts.ports.clock.now() + limits.implementation.acknowledgementGraceMs
  }

  peerDisconnected(): void {
    this.#lostConnection = true
  }

  /** A request of the server came. Answers whether that changes anything: one that answers and refuses is not asked more often for it. */
  peerSeen(): boolean {
    if (!this.#gotNoAnswer) return false
    this.#gotNoAnswer = false
    this.backoff.reset()
    return true
  }

  addEphemeral(edu: Edu): void {
    if (!this.isAway) this.#ephemeral.add(edu)
  }

  async attempt(): Promise<DirectOutcome> {
    const { outbox, settling, sentRelayLists } = this.#parts
    // Read before the rows: what a greeting names is then in this transaction or was in one before.
    const greeting = this.#greeting()
    const batch = await outbox.nextBatch(this.#server, 0, () => true)
    const held = batch.entries.length > 0 && batch.entries.every(({ row }) => row.state.kind === 'at-relay')
    const inGrace = held && this.graceMs > 0
    const entries = inGrace ? [] : batch.entries
    const greets = greeting !== undefined && batch.complete && !inGrace
    const ephemeral = this.#takeEphemeral(entries)
    if (entries.length === 0 && ephemeral.length === 0 && !greets) return inGrace ? 'in-grace' : 'nothing'
    const extremities = greets ? greeting.extremities : this.#extremitiesFor(batch.complete ? entries : [])
    const members = await this.#contents.members(extremities)
    const answer = await this.#send(entries, ephemeral, members)
    if (answer.kind !== 'ok') return this.#failed(answer)
    if (greets) this.#greetFrom = greeting.next
    this.backoff.reset()
    this.#gotNoAnswer = false
    this.#contents.taken(entries)
    await sentRelayLists.confirm(this.#server, members)
    this.#parts.heardExtremities(this.#server, answer.body['im.kith.extremities'])
    const positions = entries.map(({ position }) => position)
    await settling.run(this.#server, () => outbox.settle(this.#server, positions))
    return 'sent'
  }

  async #send(entries: readonly OutboxEntry[], ephemeral: readonly Edu[], members: JsonObject): Promise<PeerAnswer> {
    const body = directTransaction(this.#contents.of(entries, ephemeral, members))
    const path = `/_matrix/federation/v1/send/${encodeURIComponent(this.#contents.idFor(entries))}`
    const { deliverConnectedTimeoutMs, deliverTimeoutMs } = limits.implementation
    const timeoutMs = this.isConnected ? deliverConnectedTimeoutMs : deliverTimeoutMs
    this.#lostConnection = false
    try {
      return await this.#parts.client.call(this.#server, { method: 'PUT', path, body, timeoutMs }, this.#signal)
    } finally {
      this.#lostConnection = false
    }
  }

  #failed(answer: Exclude<PeerAnswer, { kind: 'ok' }>): DirectOutcome {
    const retryAfterMs = answer.kind === 'refused' ? Number(answer.members['retry_after_ms']) : Number.NaN
    this.backoff.fail(Number.isFinite(retryAfterMs) ? retryAfterMs : 0)
    this.#gotNoAnswer = answer.kind === 'unreachable'
    // A greeting is only worth anything while the connection lives.
    if (!this.isConnected) this.#greetFrom = undefined
    if (answer.kind !== 'unreachable') {
      this.#parts.ports.log.warn('A peer did not take a transaction', { destination: this.#server, reason: answer.kind })
    }
    return 'failed'
  }

  #greeting(): { readonly extremities: Map<RoomId, readonly EventId[]>; readonly next: number | undefined } | undefined {
    const from = this.#greetFrom
    if (from === undefined || !this.isConnected) return undefined
    const rooms = this.#parts.roomsSharedWith(this.#server)
    const to = from + limits.implementation.extremitiesRoomsPerTransactionMax
    return { extremities: this.#contents.extremitiesOf(rooms.slice(from, to)), next: to < rooms.length ? to : undefined }
  }

  #extremitiesFor(entries: readonly OutboxEntry[]): Map<RoomId, readonly EventId[]> {
    return this.#contents.extremitiesOf(new Set(entries.flatMap(({ row: { item } }) => (item.kind === 'pdu' ? [item.roomId] : []))))
  }

  /** They fill what the durable ones leave, and are tried once. */
  #takeEphemeral(entries: readonly OutboxEntry[]): Edu[] {
    const durable = entries.filter(({ row }) => row.item.kind === 'edu').length
    return this.#ephemeral.take(limits.specification.edusPerTransactionMax - durable)
  }
}
