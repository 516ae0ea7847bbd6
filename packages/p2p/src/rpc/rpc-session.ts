import type { Log, PeerRequestHandler } from '@kith/homeserver/ports'
import type { ServerName } from '@kith/matrix-protocol'
import type { Connection, Stream } from '@libp2p/interface'
import { OPEN_STREAM_MS_MAX } from '../limits.ts'
import type { OutgoingRequest } from './body.ts'
import { BodyExchange } from './body-exchange.ts'
import type { Activity } from './frame-channel.ts'
import type { FrameError } from './frame.ts'
import { Liveness } from './liveness.ts'
import { NoAnswerError, RpcClient } from './rpc-client.ts'
import { RpcServer } from './rpc-server.ts'

export const RPC_PROTOCOL = '/kith/rpc/1.0.0'

export interface RpcSessionOptions {
  readonly connection: Connection
  readonly peer: ServerName
  readonly self: ServerName
  readonly handler: PeerRequestHandler
  readonly log: Log
  /** The transport does not report the loss of its peer quickly. */
  readonly silentLoss: boolean
  /** The peer proved to speak the protocol. At most once. */
  onSpeaks(): void
}

/**
 * The RPC of one connection: the stream that this side opened to ask, the streams that the peer opened to ask, their long bodies,
 * and the watch over whether the peer still lives.
 */
export class RpcSession implements Activity {
  readonly connection: Connection
  readonly #options: RpcSessionOptions
  readonly #bodies: BodyExchange
  readonly #servers = new Set<RpcServer>()
  readonly #liveness: Liveness
  #client: RpcClient | undefined
  #opening: Promise<RpcClient> | undefined
  #nextId = 1
  #roundTripMs: number | undefined
  #speaks = false
  #leaving = false
  #closed = false

  constructor(options: RpcSessionOptions) {
    this.connection = options.connection
    this.#options = options
    this.#bodies = new BodyExchange(options.connection, this)
    this.#liveness = new Liveness(options.silentLoss, performance.now())
  }

  /** Whether the peer is known to speak the protocol. */
  get speaks(): boolean {
    return this.#speaks
  }

  /** The peer announced that it will close this connection. */
  get leaving(): boolean {
    return this.#leaving
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** No request is under way in either direction, nor the body of an answer. */
  get idle(): boolean {
    if ((this.#client?.pendingCount ?? 0) > 0 || this.#bodies.receivingCount > 0) return false
    for (const server of this.#servers) if (server.activeCount > 0) return false
    return true
  }

  /** @throws NoAnswerError, or the signal's reason. */
  async request(outgoing: OutgoingRequest, signal: AbortSignal): Promise<Response> {
    const client = await this.#openClient()
    return client.request(outgoing, signal)
  }

  /** Opens the asking stream ahead of need: it shows whether the peer speaks the protocol, and carries the pings. */
  async open(): Promise<void> {
    await this.#openClient()
  }

  acceptRpc(stream: Stream): void {
    const server = new RpcServer(stream, {
      origin: this.#options.peer,
      self: this.#options.self,
      bodies: this.#bodies,
      handler: this.#options.handler,
      log: this.#options.log,
      activity: this,
      onClosed: (broken) => {
        this.#servers.delete(server)
        this.#report(broken)
      },
    })
    if (server.closed) return
    this.#servers.add(server)
    this.#markSpeaks()
  }

  acceptBody(stream: Stream): void {
    void this.#bodies.accept(stream)
  }

  goAway(): void {
    for (const server of this.#servers) server.goAway()
  }

  /** Called a few times a second. Closes the connection when the peer is gone. */
  checkLiveness(now: number): void {
    const client = this.#client
    if (client === undefined || client.closed) return
    const verdict = this.#liveness.check(now, { pending: client.pendingCount > 0, pingSentAt: client.pingSentAt })
    if (verdict === 'dead') this.#onDead()
    else if (verdict === 'ping') client.ping()
  }

  /** Time in which this process did not run is no silence of the peer. */
  forgiveSilence(): void {
    this.#liveness.forgive(performance.now())
  }

  /** The connection is closed. */
  close(): void {
    this.#closed = true
    this.#client?.close()
    for (const server of this.#servers) server.close()
    this.#bodies.close()
  }

  async #openClient(): Promise<RpcClient> {
    if (this.#client !== undefined && !this.#client.closed) return this.#client
    this.#opening ??= this.#openStream().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #openStream(): Promise<RpcClient> {
    let stream: Stream
    try {
      stream = await this.connection.newStream(RPC_PROTOCOL, {
        signal: AbortSignal.timeout(OPEN_STREAM_MS_MAX),
        runOnLimitedConnection: true,
      })
    } catch (cause) {
      throw new NoAnswerError('The RPC stream could not be opened', false, { cause })
    }
    if (this.#closed) {
      stream.abort(new Error('The connection is closed'))
      throw new NoAnswerError('The connection was lost', false)
    }
    // Ids go on from the last stream's: long bodies are matched by id on the whole connection.
    if (this.#client !== undefined) this.#nextId = this.#client.nextId
    const client = new RpcClient(stream, this.#bodies, this.#nextId, {
      activity: this,
      onClosed: (broken) => this.#report(broken),
      onRoundTrip: (durationMs) => {
        this.#roundTripMs = durationMs
        this.#liveness.onRoundTrip(durationMs)
      },
      onGoAway: () => {
        this.#leaving = true
      },
    })
    this.#client = client
    this.onReceived()
    client.ping()
    this.#markSpeaks()
    return client
  }

  onReceived(): void {
    this.#liveness.forgive(performance.now())
  }

  onSent(byteLength: number): void {
    this.#liveness.onSent(byteLength, performance.now())
  }

  #markSpeaks(): void {
    if (this.#speaks) return
    this.#speaks = true
    this.#options.onSpeaks()
  }

  #onDead(): void {
    this.#options.log.info('rpc: a peer does not answer any more', { peer: this.#options.peer })
    this.connection.abort(new Error('The peer does not answer'))
  }

  #report(broken: FrameError | undefined): void {
    if (broken !== undefined) this.#options.log.warn('rpc: a peer broke the protocol', { peer: this.#options.peer, reason: broken.message })
  }
}
