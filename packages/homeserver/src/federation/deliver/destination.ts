import type { EventId, JsonValue, RoomId, ServerName } from '@kith/matrix-protocol'
import type { KeyedQueue } from '../../keyed-queue.ts'
import type { Ports } from '../../ports/index.ts'
import type { Handoff } from '../../relay/handoff.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { PeerClient } from '../peer-client.ts'
import type { Semaphore } from '../semaphore.ts'
import type { Edu } from '../transaction.ts'
import { Wake } from '../wake.ts'
import { DirectDelivery, type DirectOutcome } from './direct-delivery.ts'
import type { Outbox } from './outbox.ts'
import { RelayDelivery } from './relay-delivery.ts'
import type { SentRelayLists } from './sent-relay-lists.ts'
import { TransactionContents } from './transaction-contents.ts'

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
  /** Who may read rows and send at the same time. Servers that are connected never wait for calls at closed doors. */
  readonly places: { readonly connected: Semaphore; readonly others: Semaphore }
  readonly roomsSharedWith: (server: ServerName) => readonly RoomId[]
  readonly extremitiesOf: (roomId: RoomId) => readonly EventId[]
  /** What a server answered of its forward extremities. */
  readonly heardExtremities: (server: ServerName, value: JsonValue | undefined) => void
}

/**
 * Brings the outbox rows of one server there, directly or through relays, one transaction at a time.
 *
 * Invariants:
 * 1. A row leaves the outbox only when the server has answered 200 to it or acknowledged it; a relay's word only changes its state.
 * 2. Rows go in the order in which they were queued. A direct transaction begins with the oldest row, also when relays hold it:
 *    receiving twice does no harm, receiving out of order would.
 * 3. Whatever is sent again unchanged has the same transaction id, until a relay or the server has taken it.
 * 4. It ends as soon as nothing is left to do: what waits for nobody costs nothing.
 */
export class Destination {
  readonly #server: ServerName
  readonly #parts: DestinationParts
  readonly #signal: AbortSignal
  readonly #wake = new Wake()
  readonly #direct: DirectDelivery
  readonly #relays: RelayDelivery
  /** A call at the server's own door is under way. */
  #isCalling = false
  /** What is handed over while it is. */
  #besideCall: Promise<void> | undefined
  #moreBesideCall = false

  constructor(server: ServerName, parts: DestinationParts, signal: AbortSignal) {
    this.#server = server
    this.#parts = parts
    this.#signal = signal
    const contents = new TransactionContents(server, parts)
    this.#direct = new DirectDelivery(server, parts, contents, signal)
    this.#relays = new RelayDelivery(server, parts, contents, signal)
  }

  /** New rows were committed. */
  rowsAdded(): void {
    this.#wake.wake()
    this.#handOverBesideCall()
  }

  /** The last connection to the server broke. */
  peerDisconnected(): void {
    if (!this.#isCalling) return
    this.#direct.peerDisconnected()
    this.#handOverBesideCall()
  }

  peerConnected(): void {
    this.#direct.peerConnected()
    this.#wake.wake()
  }

  /** A request of the server came, so it is there. */
  peerSeen(): void {
    if (this.#direct.peerSeen()) this.#wake.wake()
  }

  /** A relay of this or that server can be used now, or its list is known now. */
  relaysChanged(): void {
    this.#relays.relaysChanged()
    this.#wake.wake()
    this.#handOverBesideCall()
  }

  addEphemeral(edu: Edu): void {
    this.#direct.addEphemeral(edu)
    this.#wake.wake()
  }

  /** The server has taken these transactions in. */
  async acknowledge(transactionIds: ReadonlySet<string>): Promise<void> {
    this.#relays.acknowledged(transactionIds)
    await this.#parts.settling.run(this.#server, () => this.#parts.outbox.acknowledge(this.#server, transactionIds))
  }

  /** Works until nothing is left, or the signal aborts. `onEnd` runs at the very moment from which on this destination hears nothing more. */
  async run(onEnd: () => void): Promise<void> {
    while (!this.#signal.aborted) {
      const pauseMs = await this.#stepAndLog()
      if (pauseMs === Number.POSITIVE_INFINITY && !this.#wake.isWoken) break
      if (pauseMs > 0) await this.#wake.wait(this.#parts.ports.clock, pauseMs, this.#signal).catch(() => undefined)
    }
    onEnd()
  }

  async #stepAndLog(): Promise<number> {
    const { places } = this.#parts
    try {
      const place = this.#direct.isConnected ? places.connected : places.others
      this.#wake.clear()
      return await place.run(this.#signal, () => this.#step())
    } catch (error) {
      if (this.#signal.aborted) return 0
      this.#failed(error)
      return this.#direct.backoff.remainingMs
    }
  }

  #failed(error: unknown): void {
    const { log } = this.#parts.ports
    log.error('Delivering failed', { destination: this.#server, error: error instanceof Error ? error.name : 'unknown' })
    this.#direct.backoff.fail()
    this.#relays.backoff.fail()
  }

  /** Tries what is due. Answers for how long nothing will be, unless something wakes this destination; Infinity when nothing is left. */
  async #step(): Promise<number> {
    // While the server is known to be away, what waits goes to its relays before the next call at its door.
    if (this.#direct.isAway && (await this.#handsOver())) return 0
    if (this.#direct.backoff.remainingMs > 0) return this.#pauseMs()
    const outcome = await this.#call()
    switch (outcome) {
      case 'sent':
        return 0
      case 'nothing':
        return Number.POSITIVE_INFINITY
      case 'in-grace':
        return Math.max(this.#direct.graceMs, 1)
      case 'failed':
        return !this.#direct.isConnected && (await this.#handsOver()) ? 0 : this.#pauseMs()
    }
  }

  async #call(): Promise<DirectOutcome> {
    this.#isCalling = true
    try {
      return await this.#direct.attempt()
    } finally {
      this.#isCalling = false
      await this.#besideCall
    }
  }

  /** It takes seconds until nobody has answered at a closed door: nothing that relays can take waits for that. */
  #handOverBesideCall(): void {
    if (!this.#isCalling || !this.#direct.isAway) return
    this.#moreBesideCall = true
    this.#besideCall ??= this.#handOverWhileMore()
  }

  async #handOverWhileMore(): Promise<void> {
    try {
      while (this.#moreBesideCall && !this.#signal.aborted) {
        this.#moreBesideCall = false
        while (this.#direct.isAway && (await this.#handsOver())) continue
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#failed(error)
    } finally {
      this.#besideCall = undefined
    }
  }

  async #handsOver(): Promise<boolean> {
    return this.#relays.backoff.remainingMs === 0 && (await this.#relays.attempt()) === 'held'
  }

  #pauseMs(): number {
    const pauses = [Math.max(this.#direct.backoff.remainingMs, 1)]
    const relaysMs = this.#relays.backoff.remainingMs
    if (relaysMs > 0) pauses.push(relaysMs)
    // While the server is connected nothing is handed over, so the end of a custody changes nothing.
    if (!this.#direct.isConnected) pauses.push(Math.max(this.#relays.dueInMs, relaysMs, 1))
    return Math.min(...pauses)
  }
}
