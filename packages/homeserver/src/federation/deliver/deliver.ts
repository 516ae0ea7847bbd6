import type { RoomId, ServerName } from '@kith/matrix-protocol'
import type { Timeline } from '../../timeline/index.ts'
import type { Edu } from '../transaction.ts'
import { Destination, type DestinationParts } from './destination.ts'

/** Brings everything in the outbox to its destinations. Resumes after a restart with what the outbox holds. */
export class Deliver {
  readonly #parts: DestinationParts
  readonly #timeline: Timeline
  readonly #signal: AbortSignal
  /** Those with something to do; an idle destination is none. */
  readonly #destinations = new Map<ServerName, Destination>()
  readonly #running = new Set<Promise<void>>()
  #started = false

  constructor(parts: DestinationParts, timeline: Timeline, signal: AbortSignal) {
    this.#parts = parts
    this.#timeline = timeline
    this.#signal = signal
  }

  /** How many servers something is waiting for or being sent to. */
  get destinationCount(): number {
    return this.#destinations.size
  }

  start(): void {
    this.#started = true
    this.#timeline.watchOutbox((destinations) => {
      for (const server of destinations) this.#destination(server)?.rowsAdded()
    }, this.#signal)
    this.#parts.ports.network.watchPeers((event) => {
      if (event.kind === 'disconnected') this.#destinations.get(event.server)?.peerDisconnected()
      if (event.kind !== 'connected') return
      // Known from the outbox, or met in a room: others have nothing to be told.
      const shares = this.#destinations.has(event.server) || this.#parts.roomsSharedWith(event.server).length > 0
      if (shares) this.#destination(event.server)?.peerConnected()
    }, this.#signal)
    this.#parts.relayLists.watch((server) => this.#destinations.get(server)?.relaysChanged(), this.#signal)
    this.#track(this.#resume())
  }

  /** A request of this server came: it can be reached, whatever was thought before. */
  peerSeen(server: ServerName): void {
    this.#destinations.get(server)?.peerSeen()
  }

  /** A relay can be reached: whoever could not be handed over may be now. */
  relayReady(): void {
    for (const destination of this.#destinations.values()) destination.relaysChanged()
  }

  sendEphemeral(destinations: Iterable<ServerName>, edu: Edu): void {
    for (const server of destinations) this.#destination(server)?.addEphemeral(edu)
  }

  async acknowledge(server: ServerName, transactionIds: ReadonlySet<string>): Promise<void> {
    await this.#destination(server)?.acknowledge(transactionIds)
  }

  /** What waits for the server was never for it: it was never in the room. */
  async giveUp(server: ServerName, roomId: RoomId): Promise<void> {
    await this.#parts.settling.run(server, () => this.#parts.outbox.drop(server, roomId))
  }

  /** Resolves once nothing is being sent or written any more; the signal given at construction must have aborted. */
  async stopped(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #resume(): Promise<void> {
    try {
      for await (const server of this.#parts.outbox.destinations(this.#signal)) this.#destination(server)?.rowsAdded()
    } catch (error) {
      if (!this.#signal.aborted) {
        this.#parts.ports.log.error('Reading the outbox failed', { error: error instanceof Error ? error.name : 'unknown' })
      }
    }
  }

  #destination(server: ServerName): Destination | undefined {
    if (!this.#started || this.#signal.aborted || server === this.#parts.serverName) return undefined
    const known = this.#destinations.get(server)
    if (known !== undefined) return known
    const destination = new Destination(server, this.#parts, this.#signal)
    this.#destinations.set(server, destination)
    this.#track(destination.run(() => this.#destinations.delete(server)))
    return destination
  }

  #track(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }
}
