import type { Log } from '@kith/homeserver/ports'
import type { ServerName } from '@kith/matrix-protocol'
import type { PeerId } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { isRelayed, webRtcOver } from './addresses.ts'
import { closeConnection } from './close-connection.ts'
import { SURPLUS_CONNECTION_MS, UPGRADE_BACKOFF_MS_MAX, UPGRADE_BACKOFF_MS_MIN, UPGRADE_MS_MAX } from './limits.ts'
import { BODY_PROTOCOL } from './rpc/body-exchange.ts'
import { RPC_PROTOCOL, type RpcSession } from './rpc/rpc-session.ts'
import { backoffMs, sleep, withTimeLimit } from './waiting.ts'

export interface PeerLinkOptions {
  readonly server: ServerName
  readonly peerId: PeerId
  readonly self: ServerName
  readonly transports: TransportManager
  /** This node can hold WebRTC connections. */
  readonly webRtc: boolean
  readonly log: Log
  /** Ends the link's own activities. */
  readonly signal: AbortSignal
}

/** Streams that end with their connection and harm nobody. */
const CLOSABLE_PROTOCOLS = new Set([RPC_PROTOCOL, BODY_PROTOCOL, '/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0', '/ipfs/ping/1.0.0'])

/**
 * All connections to one peer.
 *
 * Invariants:
 * 1. Requests go over the best connection: one that is proven to speak the protocol first, then direct before relayed, then the
 *    newest: a peer that was killed and came back has left a dead connection behind, which nobody has noticed yet.
 * 2. While there is only a relayed connection, the side that dialled it tries to replace it by WebRTC, again and again with backoff.
 * 3. Of two peers, only the one with the smaller name closes connections that are no longer needed, so that both keep the same one. It
 *    announces that first and waits until no request is under way.
 */
export class PeerLink {
  readonly server: ServerName
  readonly peerId: PeerId
  readonly #options: PeerLinkOptions
  readonly #sessions: RpcSession[] = []
  #upgrading = false
  #closingSurplus = false
  /** The shared attempt to reach the peer, while it runs. */
  dialling: Promise<RpcSession> | undefined

  constructor(options: PeerLinkOptions) {
    this.#options = options
    this.server = options.server
    this.peerId = options.peerId
  }

  get sessions(): readonly RpcSession[] {
    return this.#sessions
  }

  get empty(): boolean {
    return this.#sessions.length === 0 && this.dialling === undefined
  }

  /** The peer has a connection and proved on it that it speaks the protocol. */
  get connected(): boolean {
    return this.#sessions.some((session) => session.speaks && isUsable(session))
  }

  best(): RpcSession | undefined {
    return this.#sessions.filter(isUsable).sort(compareSessions)[0]
  }

  add(session: RpcSession): void {
    this.#sessions.push(session)
  }

  remove(session: RpcSession): void {
    const at = this.#sessions.indexOf(session)
    if (at >= 0) this.#sessions.splice(at, 1)
  }

  /** To be called after each change of the connections: decides what to do about them. */
  evaluate(): void {
    if (this.#shouldUpgrade() && !this.#upgrading) this.#run(this.#upgrade(), 'p2p: upgrading a connection failed')
    if (this.#surplus().length > 0 && !this.#closingSurplus) this.#run(this.#closeSurplus(), 'p2p: closing a surplus connection failed')
  }

  #run(activity: Promise<void>, failure: string): void {
    activity.catch((error: unknown) => {
      if (!this.#options.signal.aborted) this.#options.log.error(failure, { peer: this.server, error: describe(error) })
    })
  }

  #relayed(): RpcSession[] {
    return this.#sessions.filter((session) => isUsable(session) && isRelayed(session.connection.remoteAddr))
  }

  #shouldUpgrade(): boolean {
    const { webRtc, signal, self } = this.#options
    const relayed = this.#relayed()
    if (!webRtc || signal.aborted || relayed.length === 0) return false
    if (this.#sessions.some((session) => isUsable(session) && !isRelayed(session.connection.remoteAddr))) return false
    const outbound = relayed.some(({ connection }) => connection.direction === 'outbound')
    const inbound = relayed.some(({ connection }) => connection.direction === 'inbound')
    // When both dialled at the same moment, only one of them may go on.
    return outbound && (!inbound || self < this.server)
  }

  async #upgrade(): Promise<void> {
    this.#upgrading = true
    try {
      for (let attempt = 0; this.#shouldUpgrade(); attempt++) {
        if (!(await this.#upgradeOnce())) return
        if (!this.#shouldUpgrade()) return
        await sleep(backoffMs(attempt, UPGRADE_BACKOFF_MS_MIN, UPGRADE_BACKOFF_MS_MAX), this.#options.signal)
      }
    } finally {
      this.#upgrading = false
    }
  }

  /** False when trying again is no use. */
  async #upgradeOnce(): Promise<boolean> {
    const { transports, signal, log } = this.#options
    const circuit = this.#relayed().find(({ connection }) => connection.direction === 'outbound')
    if (circuit === undefined) return false
    try {
      const address = webRtcOver(circuit.connection.remoteAddr)
      await withTimeLimit(UPGRADE_MS_MAX, signal, async (limited) => transports.dial(address, { signal: limited }))
      return true
    } catch (error) {
      log.debug('p2p: a direct connection did not come about', { peer: this.server, error: describe(error) })
      return !(error instanceof Error && error.name === 'UnsupportedProtocolError')
    }
  }

  /**
   * Connections that nobody needs: all but the best, once that one is proven; except direct ones that may yet replace a relayed best.
   * Empty on the side that must not close.
   */
  #surplus(): RpcSession[] {
    if (this.#options.self > this.server) return []
    const best = this.best()
    if (best?.speaks !== true) return []
    const keepsDirect = isRelayed(best.connection.remoteAddr)
    return this.#sessions.filter(
      (session) => session !== best && session.connection.status === 'open' && !(keepsDirect && !isRelayed(session.connection.remoteAddr)),
    )
  }

  async #closeSurplus(): Promise<void> {
    this.#closingSurplus = true
    try {
      for (let surplus = this.#surplus(); surplus.length > 0; surplus = this.#surplus()) {
        for (const session of surplus) session.goAway()
        await sleep(SURPLUS_CONNECTION_MS, this.#options.signal)
        for (const session of this.#surplus())
          if (surplus.includes(session) && isClosable(session)) await closeConnection(session.connection)
      }
    } finally {
      this.#closingSurplus = false
    }
  }
}

function isUsable(session: RpcSession): boolean {
  return session.connection.status === 'open'
}

function isClosable({ idle, connection }: RpcSession): boolean {
  return idle && connection.streams.every(({ protocol }) => CLOSABLE_PROTOCOLS.has(protocol))
}

function compareSessions(a: RpcSession, b: RpcSession): number {
  return (
    Number(a.leaving) - Number(b.leaving) ||
    // A WebRTC connection may be open on one side only; nothing must wait for it while another connection works.
    Number(b.speaks) - Number(a.speaks) ||
    Number(isRelayed(a.connection.remoteAddr)) - Number(isRelayed(b.connection.remoteAddr)) ||
    b.connection.timeline.open - a.connection.timeline.open
  )
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
