import {
  type Clock,
  type PeerConnection,
  type PeerEvent,
  type PeerNetwork,
  type PeerRequestHandler,
  PeerUnreachableError,
} from '@kith/homeserver/ports'
import { parseServerName, type ServerName } from '@kith/matrix-protocol'
import type { SeededRandom } from './seeded-random.ts'

export interface SimulatedNetworkOptions {
  readonly clock: Clock
  readonly random: SeededRandom
  /** One way, in ms: between `delayMinMs` and `delayMaxMs`. */
  readonly delayMinMs?: number
  readonly delayMaxMs?: number
}

const RECONNECT_MS = 1_000
const PERCENT = 100

/** All links between the nodes of a simulated world. Deterministic for a seed. */
export class SimulatedNetwork {
  readonly clock: Clock
  readonly #random: SeededRandom
  readonly #delayMinMs: number
  readonly #delayMaxMs: number
  readonly #nodes = new Map<ServerName, SimulatedPeerNetwork>()
  readonly #cuts = new Set<string>()
  readonly #links = new Map<string, Link>()
  /** Of hundred messages, how many break the connection that carries them; before or after the other side got them. */
  breaksPercent = 0

  constructor(options: SimulatedNetworkOptions) {
    this.clock = options.clock
    this.#random = options.random
    this.#delayMinMs = options.delayMinMs ?? 5
    this.#delayMaxMs = options.delayMaxMs ?? 20
  }

  /** A node that is off the network until its `start`. A node of the same name that is still on is taken off first. */
  node(server: ServerName): SimulatedPeerNetwork {
    this.#nodes.get(server)?.goDown()
    const node = new SimulatedPeerNetwork(this, server)
    this.#nodes.set(server, node)
    return node
  }

  /** Nothing passes between the two until `mend`. */
  cut(one: ServerName, other: ServerName): void {
    this.#cuts.add(linkName(one, other))
    this.#links.get(linkName(one, other))?.break('the link was cut')
  }

  mend(one: ServerName, other: ServerName): void {
    this.#cuts.delete(linkName(one, other))
  }

  mendAll(): void {
    this.#cuts.clear()
    this.breaksPercent = 0
  }

  async delay(signal: AbortSignal): Promise<void> {
    const spread = this.#delayMaxMs - this.#delayMinMs
    await this.clock.sleep(this.#delayMinMs + this.#random.integer(spread + 1), signal)
  }

  breaksNow(): boolean {
    return this.breaksPercent > 0 && this.#random.integer(PERCENT) < this.breaksPercent
  }

  /** The live link between the two; makes one when both are up and nothing is cut. */
  async connect(from: SimulatedPeerNetwork, to: ServerName, signal: AbortSignal): Promise<Link> {
    const name = linkName(from.server, to)
    const known = this.#links.get(name)
    if (known !== undefined) return known
    await this.delay(signal)
    const peer = this.#nodes.get(to)
    if (peer === undefined || !peer.isUp || !from.isUp || this.#cuts.has(name)) throw new PeerUnreachableError(to, 'no path')
    const meanwhile = this.#links.get(name)
    if (meanwhile !== undefined) return meanwhile
    const link = new Link(from, peer, () => this.#links.delete(name))
    this.#links.set(name, link)
    from.linkOpened(peer.server, link, 'outbound')
    peer.linkOpened(from.server, link, 'inbound')
    return link
  }
}

function linkName(one: ServerName, other: ServerName): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

/** A live connection of two nodes. */
class Link {
  readonly #ends: readonly [SimulatedPeerNetwork, SimulatedPeerNetwork]
  readonly #forget: () => void
  readonly #broken = new AbortController()

  constructor(one: SimulatedPeerNetwork, other: SimulatedPeerNetwork, forget: () => void) {
    this.#ends = [one, other]
    this.#forget = forget
  }

  get broken(): AbortSignal {
    return this.#broken.signal
  }

  other(server: ServerName): SimulatedPeerNetwork {
    const [one, other] = this.#ends
    return one.server === server ? other : one
  }

  break(reason: string): void {
    if (this.#broken.signal.aborted) return
    this.#forget()
    const [one, other] = this.#ends
    this.#broken.abort(new DOMException(reason, 'NetworkError'))
    one.linkClosed(other.server)
    other.linkClosed(one.server)
  }
}

interface OpenLink {
  readonly link: Link
  readonly direction: PeerConnection['direction']
}

/** One node's side of the simulated network. */
export class SimulatedPeerNetwork implements PeerNetwork {
  readonly server: ServerName
  readonly learned = new Map<ServerName, readonly string[]>()
  readonly #world: SimulatedNetwork
  /** Relays with the end of the work of keeping each. */
  readonly #kept = new Map<ServerName, AbortController>()
  readonly #links = new Map<ServerName, OpenLink>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  #handler: PeerRequestHandler | undefined
  #up: AbortController | undefined

  constructor(world: SimulatedNetwork, server: ServerName) {
    this.#world = world
    this.server = server
  }

  get isUp(): boolean {
    return this.#up !== undefined
  }

  serve(handler: PeerRequestHandler): void {
    this.#handler = handler
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.comeUp()
  }

  /** Back on the network: reachable, and connecting to what it keeps. */
  comeUp(): void {
    if (this.#up !== undefined) return
    this.#up = new AbortController()
    for (const [server, { signal }] of this.#kept) void this.#keep(server, AbortSignal.any([signal, this.#up.signal]))
  }

  chooseRelays(addresses: readonly string[]): void {
    const chosen = new Set(addresses.map(serverAt))
    for (const [server, end] of this.#kept) {
      if (chosen.has(server)) continue
      this.#kept.delete(server)
      end.abort(new DOMException('no longer chosen', 'AbortError'))
    }
    for (const server of chosen) {
      if (this.#kept.has(server)) continue
      const end = new AbortController()
      this.#kept.set(server, end)
      if (this.#up !== undefined) void this.#keep(server, AbortSignal.any([end.signal, this.#up.signal]))
    }
  }

  /** Off the network without a word. */
  goDown(): void {
    this.#up?.abort(new DOMException('off the network', 'AbortError'))
    this.#up = undefined
    for (const { link } of [...this.#links.values()]) link.break('the peer went away')
  }

  async request(server: ServerName, request: Request, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted()
    if (!this.isUp || server === this.server) throw new PeerUnreachableError(server, 'not on the network')
    const body = await request.arrayBuffer()
    const link = await this.#world.connect(this, server, signal)
    const bounded = AbortSignal.any([signal, link.broken])
    try {
      return await this.#exchange(link, request, body, bounded)
    } catch (error) {
      signal.throwIfAborted()
      if (link.broken.aborted) throw new PeerUnreachableError(server, 'the connection broke', { cause: error })
      throw error
    }
  }

  learnAddresses(server: ServerName, addresses: readonly string[]): void {
    this.learned.set(server, addresses)
  }

  addresses(): readonly string[] {
    return this.isUp ? [addressOf(this.server)] : []
  }

  addressesChanged(signal: AbortSignal): Promise<void> {
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }

  connections(): readonly PeerConnection[] {
    return Array.from(this.#links, ([server, { direction }]) => ({ server, path: 'direct', transport: 'memory', direction }))
  }

  watchPeers(listener: (event: PeerEvent) => void, signal: AbortSignal): void {
    this.#listeners.add(listener)
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.goDown()
    this.#listeners.clear()
  }

  linkOpened(server: ServerName, link: Link, direction: PeerConnection['direction']): void {
    this.#links.set(server, { link, direction })
    for (const listener of [...this.#listeners]) listener({ kind: 'connected', server })
  }

  linkClosed(server: ServerName): void {
    this.#links.delete(server)
    for (const listener of [...this.#listeners]) listener({ kind: 'disconnected', server })
  }

  /** What a peer asks of this node. */
  async answer(origin: ServerName, request: Request): Promise<Response> {
    try {
      return (await this.#handler?.(origin, request)) ?? new Response(null, { status: 503 })
    } catch {
      return new Response(null, { status: 500 })
    }
  }

  async #exchange(link: Link, request: Request, body: ArrayBuffer, signal: AbortSignal): Promise<Response> {
    await this.#world.delay(signal)
    if (this.#world.breaksNow()) link.break('lost on the way there')
    signal.throwIfAborted()
    const init: RequestInit = { method: request.method, headers: request.headers, signal, ...(body.byteLength === 0 ? {} : { body }) }
    const answered = link.other(this.server).answer(this.server, new Request(request.url, init))
    const response = await withSignal(answered, signal)
    await this.#world.delay(signal)
    if (this.#world.breaksNow()) link.break('lost on the way back')
    signal.throwIfAborted()
    return new Response(response.body, { status: response.status, headers: response.headers })
  }

  async #keep(server: ServerName, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const link = await this.#world.connect(this, server, signal)
        await withSignal(new Promise((resolve) => link.broken.addEventListener('abort', resolve, { once: true })), signal)
      } catch {
        // Unreachable for now, or off the network.
      }
      await this.#world.clock.sleep(RECONNECT_MS, signal).catch(() => undefined)
    }
  }
}

/** The multiaddr of a node of the simulated network. */
export function addressOf(server: ServerName): string {
  return `/memory/1/p2p/${server}`
}

function serverAt(address: string): ServerName {
  const server = parseServerName(address.split('/').at(-1))
  if (server === undefined) throw new RangeError('Addresses of the simulated network end in a server name')
  return server
}

async function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
