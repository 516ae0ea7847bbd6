import type { ServerName } from '@kith/matrix-protocol'
import { type PeerEvent, type PeerNetwork, type PeerRequestHandler, PeerUnreachableError } from '@kith/homeserver/ports'

/** Takes the place of a peer: answers what is sent to it, instead of the peer itself. */
export type Intercept = (request: Request) => Promise<Response | undefined>

/** Calls peers in the same thread, so that a measurement sees the nodes alone. */
export class LoopbackNetwork implements PeerNetwork {
  static connect(a: LoopbackNetwork, b: LoopbackNetwork): void {
    a.#peers.set(b.#server, b)
    b.#peers.set(a.#server, a)
    a.#tell(b.#server)
    b.#tell(a.#server)
  }

  readonly #server: ServerName
  readonly #peers = new Map<ServerName, LoopbackNetwork>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  #handler: PeerRequestHandler | undefined
  /** Sees every outgoing request first. */
  intercept: Intercept = () => Promise.resolve(undefined)

  constructor(server: ServerName) {
    this.#server = server
  }

  async request(server: ServerName, request: Request): Promise<Response> {
    const intercepted = await this.intercept(request)
    if (intercepted !== undefined) return intercepted
    const peer = this.#peers.get(server)
    if (peer === undefined) throw new PeerUnreachableError(server, 'not connected')
    return peer.receive(this.#server, request)
  }

  /** Hands a request to this network's node, as if it came from `origin`. */
  async receive(origin: ServerName, request: Request): Promise<Response> {
    if (this.#handler === undefined) throw new PeerUnreachableError(this.#server, 'does not serve')
    return this.#handler(origin, request)
  }

  serve(handler: PeerRequestHandler): void {
    this.#handler = handler
  }

  start(): Promise<void> {
    return Promise.resolve()
  }

  chooseRelays(): void {}

  learnAddresses(): void {}

  addresses(): readonly string[] {
    return []
  }

  addressesChanged(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    return promise
  }

  connections() {
    return [...this.#peers.keys()].map((server) => ({ server, path: 'direct', transport: 'memory', direction: 'outbound' }) as const)
  }

  watchPeers(listener: (event: PeerEvent) => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }

  #tell(server: ServerName): void {
    for (const listener of this.#listeners) listener({ kind: 'connected', server })
  }
}
