import type { ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { OutboxRow } from '../../timeline/index.ts'
import { signJson } from '../signed-json.ts'
import { relayTransaction } from '../transaction.ts'
import { Backoff } from './backoff.ts'
import type { DestinationParts } from './destination.ts'
import type { OutboxEntry } from './outbox.ts'
import type { TransactionContents } from './transaction-contents.ts'

export type HandoffStep = 'nothing' | 'held' | 'failed'

/** Puts what waits for a server that is away at its relays, and again when their promise runs out. */
export class RelayDelivery {
  readonly backoff: Backoff
  readonly #server: ServerName
  readonly #parts: DestinationParts
  readonly #contents: TransactionContents
  readonly #signal: AbortSignal
  #handingOver: { readonly id: string; acknowledged: boolean } | undefined
  #entriesMax = Number.POSITIVE_INFINITY
  /** No row up to this position is due before `#lookAgainAt`, so that a long outbox is not read from its start for each handful. */
  #lookedUpTo = 0
  #lookAgainAt = Number.POSITIVE_INFINITY

  constructor(server: ServerName, parts: DestinationParts, contents: TransactionContents, signal: AbortSignal) {
    this.#server = server
    this.#parts = parts
    this.#contents = contents
    this.#signal = signal
    this.backoff = new Backoff(parts.ports.clock, parts.ports.random)
  }

  /** ms until a row that was handed over becomes due again; Infinity while none is known. */
  get dueInMs(): number {
    return Math.max(0, this.#lookAgainAt - this.#parts.ports.clock.now())
  }

  relaysChanged(): void {
    this.backoff.reset()
    this.#lookAgainAt = 0
  }

  /**
   * The acknowledgement may overtake the relay's answer, or come although that answer was lost; the rows are then settled instead of marked.
   * A relay that is asked again answers as before, and what it has passed on already is never acknowledged a second time.
   */
  acknowledged(transactionIds: ReadonlySet<string>): void {
    if (this.#handingOver !== undefined && transactionIds.has(this.#handingOver.id)) this.#handingOver.acknowledged = true
  }

  async attempt(): Promise<HandoffStep> {
    if (this.dueInMs === 0) {
      this.#lookedUpTo = 0
      this.#lookAgainAt = Number.POSITIVE_INFINITY
    }
    const batch = await this.#parts.outbox.nextBatch(this.#server, this.#lookedUpTo, (row) => this.#isDue(row))
    const entries = batch.entries.slice(0, this.#entriesMax)
    if (entries.length === 0) {
      this.#lookedUpTo = batch.lastPosition
      return 'nothing'
    }
    const id = this.#contents.idFor(entries)
    const current = this.#handingOver?.id === id ? this.#handingOver : { id, acknowledged: false }
    this.#handingOver = current
    return current.acknowledged ? this.#settle(entries) : this.#handOver(entries, current)
  }

  /** The server has taken these in before their relay's word for it came. */
  async #settle(entries: readonly OutboxEntry[]): Promise<HandoffStep> {
    const positions = entries.map(({ position }) => position)
    await this.#parts.settling.run(this.#server, () => this.#parts.outbox.settle(this.#server, positions))
    this.#contents.taken(entries)
    this.#handingOver = undefined
    return 'held'
  }

  async #handOver(entries: readonly OutboxEntry[], current: { readonly id: string; readonly acknowledged: boolean }): Promise<HandoffStep> {
    const { outbox, handoff, ports, settling } = this.#parts
    const members = await this.#contents.members(new Map())
    const unsigned = relayTransaction(this.#contents.of(entries, [], members), this.#server, current.id)
    const signed = await signJson(ports.crypto, this.#parts.serverName, unsigned)
    const outcome = await handoff.handOver(this.#server, current.id, signed, this.#signal)
    if (outcome.kind === 'too-large') return this.#shrink(entries)
    if (outcome.kind === 'no-relay') {
      this.backoff.fail(outcome.retryAfterMs ?? 0)
      return 'failed'
    }
    const positions = entries.map(({ position }) => position)
    const custody = { transactionId: current.id, relays: outcome.relays, expiresAt: outcome.expiresAt }
    await settling.run(this.#server, () =>
      current.acknowledged ? outbox.settle(this.#server, positions) : outbox.markAtRelay(this.#server, positions, custody),
    )
    this.backoff.reset()
    this.#entriesMax = Number.POSITIVE_INFINITY
    this.#contents.taken(entries)
    this.#handingOver = undefined
    this.#done(entries, outcome.expiresAt)
    return 'held'
  }

  #isDue({ state }: OutboxRow): boolean {
    if (state.kind === 'waiting' || state.expiresAt <= this.#parts.ports.clock.now()) return true
    this.#lookAgainAt = Math.min(this.#lookAgainAt, state.expiresAt)
    return false
  }

  #done(entries: readonly OutboxEntry[], dueAgainAt: number): void {
    this.#lookedUpTo = entries.at(-1)?.position ?? this.#lookedUpTo
    this.#lookAgainAt = Math.min(this.#lookAgainAt, dueAgainAt)
  }

  #shrink(entries: readonly OutboxEntry[]): HandoffStep {
    this.#entriesMax = Math.max(1, Math.floor(entries.length / 2))
    if (entries.length > 1) return 'held'
    this.#parts.ports.log.warn('An item is too large for the relays and waits for its destination', { destination: this.#server })
    this.#done(entries, this.#parts.ports.clock.now() + limits.implementation.tooLargeForRelaysRetryMs)
    return 'held'
  }
}
