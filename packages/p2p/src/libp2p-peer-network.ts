import {
  PeerUnreachableError,
  type Log,
  type PeerConnection,
  type PeerEvent,
  type PeerNetwork,
  type PeerRequestHandler,
} from '@kith/homeserver/ports'
import type { ServerName } from '@kith/matrix-protocol'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal'
import { AddressBook } from './address-book.ts'
import { addressOfPeer, isRelayed, transportOf } from './addresses.ts'
import { closeConnection } from './close-connection.ts'
import { dialCandidates } from './dial-candidates.ts'
import { dialFirst } from './dialer.ts'
import { peerIdFromServerName, serverNameFromPeerId, type NodeIdentity } from './identity.ts'
import {
  BODY_STREAMS_PER_CONNECTION_MAX,
  DIAL_PEER_MS_MAX,
  LIVENESS_STALLED_MS,
  LIVENESS_TICK_MS,
  RPC_STREAMS_PER_CONNECTION_MAX,
} from './limits.ts'
import { PeerLink } from './peer-link.ts'
import { RelayKeeper, type Reservations } from './relay-keeper.ts'
import { prepareRequest, type OutgoingRequest } from './rpc/body.ts'
import { BODY_PROTOCOL } from './rpc/body-exchange.ts'
import { NoAnswerError } from './rpc/rpc-client.ts'
import { RPC_PROTOCOL, RpcSession } from './rpc/rpc-session.ts'
import { ChangeSignal, untilAborted } from './waiting.ts'

export interface Libp2pPeerNetworkOptions {
  readonly libp2p: Libp2p
  readonly transports: TransportManager
  readonly connections: ConnectionManager
  readonly reservations: Reservations | undefined
  readonly identity: NodeIdentity
  /** This node can hold WebRTC connections to any peer. */
  readonly webRtc: boolean
  readonly relays: readonly string[]
  readonly log: Log
  /** Called after libp2p stopped. */
  close(): Promise<void>
}

/** What hosts of a node may do beyond the port. */
export interface KithNetwork extends PeerNetwork {
  /** Replaces the relays that this node keeps a connection and a reservation at; multiaddrs ending in `/p2p/<relay>`. */
  chooseRelays(addresses: readonly string[]): void
}

const ATTEMPTS_MAX = 3

/** The PeerNetwork port over libp2p. */
export class Libp2pPeerNetwork implements KithNetwork {
  readonly #options: Libp2pPeerNetworkOptions
  readonly #libp2p: Libp2p
  readonly #book = new AddressBook()
  readonly #links = new Map<ServerName, PeerLink>()
  readonly #sessions = new Map<Connection, RpcSession>()
  readonly #connected = new Set<ServerName>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  readonly #keeper: RelayKeeper
  readonly #stop = new AbortController()
  readonly #addressChange = new ChangeSignal()
  #addresses: readonly string[] = []
  #handler: PeerRequestHandler | undefined
  #ticker: ReturnType<typeof setInterval> | undefined

  constructor(options: Libp2pPeerNetworkOptions) {
    this.#options = options
    this.#libp2p = options.libp2p
    this.#keeper = new RelayKeeper({
      transports: options.transports,
      connections: options.connections,
      peerStore: options.libp2p.peerStore,
      connect: (relay) => this.#connect(relay),
      reservations: options.reservations,
      self: options.identity.peerId,
      log: options.log,
    })
    this.#keeper.choose(options.relays)
  }

  serve(handler: PeerRequestHandler): void {
    if (this.#handler !== undefined) throw new Error('serve() was already called')
    this.#handler = handler
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#handler === undefined) throw new Error('serve() must be called before start()')
    await this.#libp2p.handle(
      RPC_PROTOCOL,
      (stream, connection) => this.#onStream(stream, connection, (session) => session.acceptRpc(stream)),
      {
        maxInboundStreams: RPC_STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: RPC_STREAMS_PER_CONNECTION_MAX,
        runOnLimitedConnection: true,
      },
    )
    await this.#libp2p.handle(
      BODY_PROTOCOL,
      (stream, connection) => this.#onStream(stream, connection, (session) => session.acceptBody(stream)),
      {
        maxInboundStreams: BODY_STREAMS_PER_CONNECTION_MAX,
        maxOutboundStreams: BODY_STREAMS_PER_CONNECTION_MAX,
        runOnLimitedConnection: true,
      },
    )
    this.#libp2p.addEventListener('connection:open', ({ detail }) => this.#onConnection(detail))
    this.#libp2p.addEventListener('connection:close', ({ detail }) => this.#onConnectionClosed(detail))
    this.#libp2p.addEventListener('self:peer:update', () => this.#checkAddresses())
    // libp2p collects changes of its addresses for a second before it tells; a relay gained or lost is told at once.
    const recheck = (): void => void setTimeout(() => this.#checkAddresses(), 0)
    for (const event of ['relay:created-reservation', 'relay:removed'] as const)
      this.#options.reservations?.addEventListener(event, recheck)
    await untilAborted(Promise.resolve(this.#libp2p.start()), signal)
    this.#checkAddresses()
    this.#keeper.start(this.#stop.signal)
    this.#watchLiveness()
  }

  async request(server: ServerName, request: Request, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted()
    if (this.#stop.signal.aborted) throw new PeerUnreachableError(server, 'This node is stopping')
    if (server === this.#options.identity.serverName) throw new PeerUnreachableError(server, 'This is the node itself')
    if (peerIdFromServerName(server) === undefined) throw new PeerUnreachableError(server, 'The name of the server is not a key')
    const outgoing = await prepareRequest(request, signal)
    for (let attempt = 1; ; attempt++) {
      try {
        const session = await this.#sessionTo(server, signal)
        return await this.#requestOver(session, outgoing, signal)
      } catch (error) {
        if (!signal.aborted && attempt < ATTEMPTS_MAX && mayRepeat(outgoing, error)) continue
        if (outgoing.body.kind === 'streamed') outgoing.body.cancel()
        signal.throwIfAborted()
        throw this.#stop.signal.aborted ? new PeerUnreachableError(server, 'This node is stopping') : toUnreachable(server, error)
      }
    }
  }

  learnAddresses(server: ServerName, addresses: readonly string[]): void {
    const peerId = peerIdFromServerName(server)
    if (peerId !== undefined && server !== this.#options.identity.serverName) this.#book.learn(server, peerId.toString(), addresses)
  }

  addresses(): readonly string[] {
    return this.#addresses
  }

  async addressesChanged(signal: AbortSignal): Promise<void> {
    await this.#addressChange.wait(signal)
  }

  connections(): readonly PeerConnection[] {
    const connections: PeerConnection[] = []
    for (const link of this.#links.values()) {
      const session = link.connected ? link.best() : undefined
      if (session !== undefined) connections.push(describeConnection(link.server, session))
    }
    return connections
  }

  watchPeers(listener: (event: PeerEvent) => void, signal: AbortSignal): void {
    if (signal.aborted) return
    // Its own function, so that one listener may watch twice.
    const watch = (event: PeerEvent): void => listener(event)
    this.#listeners.add(watch)
    signal.addEventListener('abort', () => this.#listeners.delete(watch), { once: true })
  }

  chooseRelays(addresses: readonly string[]): void {
    this.#keeper.choose(addresses)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(new Error('This node is stopping'))
    clearInterval(this.#ticker)
    for (const session of this.#sessions.values()) session.close()
    await Promise.all(this.#libp2p.getConnections().map(closeConnection))
    await this.#libp2p.stop()
    await this.#options.close()
  }

  /** The best live one, or the first of a new connection. */
  async #sessionTo(server: ServerName, signal: AbortSignal): Promise<RpcSession> {
    const link = this.#linkTo(server)
    if (link === undefined) return unreachablePeer(server)
    return link.best() ?? (await untilAborted(this.#reach(link), signal))
  }

  async #requestOver(session: RpcSession, outgoing: OutgoingRequest, signal: AbortSignal): Promise<Response> {
    return untilAborted(session.request(outgoing, signal), signal)
  }

  async #connect(peerId: PeerId): Promise<void> {
    const server = serverNameFromPeerId(peerId)
    const link = server === undefined ? undefined : this.#linkTo(server)
    if (link === undefined) throw new Error('The name of the relay is not a key')
    await this.#reach(link)
  }

  /** Concurrent callers share one attempt, so it has its own time limit and ignores theirs. */
  #reach(link: PeerLink): Promise<RpcSession> {
    link.dialling ??= this.#dial(link).finally(() => {
      link.dialling = undefined
      this.#forgetIfEmpty(link)
    })
    return link.dialling
  }

  async #dial(link: PeerLink): Promise<RpcSession> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(DIAL_PEER_MS_MAX)])
    const candidates = await dialCandidates(link.peerId, this.#book.addresses(link.server), {
      libp2p: this.#libp2p,
      self: this.#options.identity.peerId,
      relays: this.#keeper.addresses(),
    })
    if (candidates.length === 0) throw new PeerUnreachableError(link.server, 'No address of the peer is known')
    const connection = await dialFirst(this.#options.transports, candidates, signal)
    if (!connection.remotePeer.equals(link.peerId)) {
      connection.abort(new Error('Another peer answered'))
      throw new PeerUnreachableError(link.server, 'Another peer answered')
    }
    return this.#sessionOf(connection) ?? unreachablePeer(link.server)
  }

  #linkTo(server: ServerName): PeerLink | undefined {
    const known = this.#links.get(server)
    if (known !== undefined) return known
    const peerId = peerIdFromServerName(server)
    if (peerId === undefined) return undefined
    const link = new PeerLink({
      server,
      peerId,
      self: this.#options.identity.serverName,
      transports: this.#options.transports,
      webRtc: this.#options.webRtc,
      log: this.#options.log,
      signal: this.#stop.signal,
    })
    this.#links.set(server, link)
    return link
  }

  #forgetIfEmpty(link: PeerLink): void {
    if (link.empty && this.#links.get(link.server) === link) this.#links.delete(link.server)
  }

  /** Undefined for peers that cannot be Matrix servers. */
  #sessionOf(connection: Connection): RpcSession | undefined {
    const known = this.#sessions.get(connection)
    if (known !== undefined) return known
    const server = serverNameFromPeerId(connection.remotePeer)
    const link = server === undefined ? undefined : this.#linkTo(server)
    const handler = this.#handler
    if (link === undefined || handler === undefined || connection.status !== 'open') return undefined
    const session = new RpcSession({
      connection,
      peer: link.server,
      self: this.#options.identity.serverName,
      handler,
      log: this.#options.log,
      silentLoss: ['webrtc', 'webrtc-direct'].includes(transportOf(connection.remoteAddr)),
      onSpeaks: () => this.#evaluate(link),
    })
    this.#sessions.set(connection, session)
    link.add(session)
    return session
  }

  #onConnection(connection: Connection): void {
    if (this.#stop.signal.aborted) {
      // A WebRTC connection that comes up while libp2p stops is closed by nobody else, and would answer for a node that is gone.
      connection.abort(new Error('This node is stopping'))
      return
    }
    const session = this.#sessionOf(connection)
    if (session === undefined) return
    session.open().catch(() => this.#onSilent(connection))
    const link = this.#linkOf(connection)
    if (link !== undefined) this.#evaluate(link)
  }

  /** A peer without the protocol is no error: it is simply nobody to talk to. */
  #onSilent(connection: Connection): void {
    const transport = transportOf(connection.remoteAddr)
    this.#options.log.debug('p2p: a connected peer does not speak RPC', { transport })
    // Two nodes make such a connection for nothing else, so it is open on this side only, and stands in the way of another attempt.
    if (transport === 'webrtc') connection.abort(new Error('The other side did not answer'))
  }

  #onConnectionClosed(connection: Connection): void {
    const session = this.#sessions.get(connection)
    const link = this.#linkOf(connection)
    this.#sessions.delete(connection)
    session?.close()
    if (session !== undefined && link !== undefined) {
      link.remove(session)
      this.#evaluate(link)
      this.#forgetIfEmpty(link)
    }
    this.#keeper.recheck()
    this.#checkAddresses()
  }

  #onStream(stream: Stream, connection: Connection, accept: (session: RpcSession) => void): void {
    const session = this.#sessionOf(connection)
    if (session === undefined) stream.abort(new Error('The peer is no Matrix server'))
    else accept(session)
  }

  #linkOf(connection: Connection): PeerLink | undefined {
    const server = serverNameFromPeerId(connection.remotePeer)
    return server === undefined ? undefined : this.#links.get(server)
  }

  #evaluate(link: PeerLink): void {
    const { server, connected } = link
    if (connected !== this.#connected.has(server)) {
      if (connected) this.#connected.add(server)
      else this.#connected.delete(server)
      for (const listener of this.#listeners) listener({ kind: connected ? 'connected' : 'disconnected', server })
    }
    link.evaluate()
  }

  #watchLiveness(): void {
    let last = performance.now()
    this.#ticker = setInterval(() => {
      const now = performance.now()
      const stalled = now - last > LIVENESS_STALLED_MS
      last = now
      for (const session of this.#sessions.values()) {
        if (stalled) session.forgiveSilence()
        else session.checkLiveness(now)
      }
    }, LIVENESS_TICK_MS)
  }

  #checkAddresses(): void {
    const peerId = this.#options.identity.peerId
    const addresses = [
      ...new Set(this.#libp2p.getMultiaddrs().flatMap((address) => addressOfPeer(address, peerId)?.toString() ?? [])),
    ].sort()
    if (addresses.join('\n') === this.#addresses.join('\n')) return
    this.#addresses = addresses
    this.#addressChange.notify()
  }
}

function describeConnection(server: ServerName, session: RpcSession): PeerConnection {
  const { remoteAddr, direction } = session.connection
  return {
    server,
    path: isRelayed(remoteAddr) ? 'relayed' : 'direct',
    transport: transportOf(remoteAddr),
    direction,
    ...(session.roundTripMs === undefined ? {} : { roundTripMs: session.roundTripMs }),
  }
}

/** A lost connection loses requests that the peer may have seen; in the federation API only those by POST may not be made twice. */
function mayRepeat(outgoing: OutgoingRequest, error: unknown): boolean {
  if (!(error instanceof NoAnswerError) || outgoing.body.kind !== 'inline') return false
  return !error.sent || outgoing.request.method !== 'POST'
}

function toUnreachable(server: ServerName, error: unknown): unknown {
  if (error instanceof PeerUnreachableError) return error
  if (error instanceof NoAnswerError) return new PeerUnreachableError(server, error.message, { cause: error })
  if (error instanceof AggregateError || isTimeout(error))
    return new PeerUnreachableError(server, 'No address of the peer answered', { cause: error })
  return error
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

function unreachablePeer(server: ServerName): never {
  throw new PeerUnreachableError(server, 'The connection was lost')
}
