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
  /** Told of each message as it arrives. */
  readonly onMessage?: (message: SimulatedMessage) => void
}

/** A request or an answer as it arrives at `to`. */
export interface SimulatedMessage {
  readonly from: ServerName
  readonly to: ServerName
  /** Of an answer: those of its request. */
  readonly method: string
  readonly path: string
  /** Absent for requests. */
  readonly status?: number
}

const RECONNECT_MS = 1_000
const PERCENT = 100
/** How long a connection on which nothing comes through is believed to live: what the pings of a real one take to notice. */
const NOTICED_DEAD_MS = 9_000

/** All links between the nodes of a simulated world. Deterministic for a seed. */
export class SimulatedNetwork {
  readonly clock: Clock
  readonly #random: SeededRandom
  readonly #delayMinMs: number
  readonly #delayMaxMs: number
  readonly #onMessage: ((message: SimulatedMessage) => void) | undefined
  readonly #nodes = new Map<ServerName, SimulatedPeerNetwork>()
  readonly #cuts = new Set<string>()
  /** Ways, each in one direction, on which messages vanish without a word. */
  readonly #deadWays = new Set<string>()
  readonly #hidden = new Set<string>()
  readonly #links = new Map<string, Link>()
  /** Of hundred messages, how many break the connection that carries them; before or after the other side got them. */
  breaksPercent = 0
  /** Of hundred messages, how many vanish without a word. */
  lossPercent = 0
  /** Of hundred requests, how many arrive a second time, some time later; nobody reads the second answer. */
  duplicatesPercent = 0
  /** Messages take up to so much longer, each as chance has it, and overtake each other. */
  jitterMs = 0

  constructor(options: SimulatedNetworkOptions) {
    this.clock = options.clock
    this.#random = options.random
    this.#delayMinMs = options.delayMinMs ?? 5
    this.#delayMaxMs = options.delayMaxMs ?? 20
    this.#onMessage = options.onMessage
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

  /**
   * What `from` sends to `to` vanishes until `mend`. The connection seems to live until its ends notice, and no new one can be made
   * meanwhile.
   */
  cutOneWay(from: ServerName, to: ServerName): void {
    this.#deadWays.add(wayName(from, to))
    const name = linkName(from, to)
    const link = this.#links.get(name)
    if (link === undefined) return
    const noticed = this.clock.sleep(NOTICED_DEAD_MS, link.broken)
    noticed.then(
      () => {
        if (this.#deadWays.has(wayName(from, to))) link.break('nothing comes through any more')
      },
      () => undefined,
    )
  }

  mend(one: ServerName, other: ServerName): void {
    this.#cuts.delete(linkName(one, other))
    this.#deadWays.delete(wayName(one, other))
    this.#deadWays.delete(wayName(other, one))
  }

  /** Nothing cut, lost, doubled or late any more; who is hidden from whom stays. */
  mendAll(): void {
    this.#cuts.clear()
    this.#deadWays.clear()
    this.breaksPercent = 0
    this.lossPercent = 0
    this.duplicatesPercent = 0
    this.jitterMs = 0
  }

  /** The two never find a path to each other from now on, whatever is mended: only third parties connect them. */
  hide(one: ServerName, other: ServerName): void {
    this.#hidden.add(linkName(one, other))
    this.#links.get(linkName(one, other))?.break('no path between them')
  }

  get hidesAnybody(): boolean {
    return this.#hidden.size > 0
  }

  async delay(signal: AbortSignal): Promise<void> {
    const spread = this.#delayMaxMs - this.#delayMinMs
    const jitter = this.jitterMs === 0 ? 0 : this.#random.integer(this.jitterMs)
    await this.clock.sleep(this.#delayMinMs + this.#random.integer(spread + 1) + jitter, signal)
  }

  breaksNow(): boolean {
    return this.#happens(this.breaksPercent)
  }

  doublesNow(): boolean {
    return this.#happens(this.duplicatesPercent)
  }

  vanishesNow(from: ServerName, to: ServerName): boolean {
    return this.#deadWays.has(wayName(from, to)) || this.#happens(this.lossPercent)
  }

  arrived(message: SimulatedMessage): void {
    this.#onMessage?.(message)
  }

  #happens(percent: number): boolean {
    return percent > 0 && this.#random.integer(PERCENT) < percent
  }

  #hasPath(one: ServerName, other: ServerName): boolean {
    const name = linkName(one, other)
    if (this.#cuts.has(name) || this.#hidden.has(name)) return false
    return !this.#deadWays.has(wayName(one, other)) && !this.#deadWays.has(wayName(other, one))
  }

  /** The live link between the two; makes one when both are up and nothing is cut. */
  async connect(from: SimulatedPeerNetwork, to: ServerName, signal: AbortSignal): Promise<Link> {
    const name = linkName(from.server, to)
    const known = this.#links.get(name)
    if (known !== undefined) return known
    await this.delay(signal)
    const peer = this.#nodes.get(to)
    if (peer === undefined || !peer.isUp || !from.isUp || !this.#hasPath(from.server, to)) throw new PeerUnreachableError(to, 'no path')
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

function wayName(from: ServerName, to: ServerName): string {
  return `${from} ${to}`
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
    const peer = link.other(this.server)
    await this.#travel(link, this.server, peer.server, 'lost on the way there', signal)
    const again = this.#world.doublesNow()
    const { method, url, headers } = request
    const path = url.slice(url.indexOf('/', 'https://'.length))
    const arrive = (): Promise<Response> => {
      this.#world.arrived({ from: this.server, to: peer.server, method, path })
      const init: RequestInit = { method, headers, signal: again ? link.broken : signal, ...(body.byteLength === 0 ? {} : { body }) }
      return peer.answer(this.server, new Request(url, init))
    }
    if (again) void this.#world.delay(link.broken).then(arrive, () => undefined)
    const response = await withSignal(arrive(), signal)
    await this.#travel(link, peer.server, this.server, 'lost on the way back', signal)
    this.#world.arrived({ from: peer.server, to: this.server, method, path, status: response.status })
    return new Response(response.body, { status: response.status, headers: response.headers })
  }

  /** @throws the signal's reason, after the message was lost too. */
  async #travel(link: Link, from: ServerName, to: ServerName, breakReason: string, signal: AbortSignal): Promise<void> {
    await this.#world.delay(signal)
    if (this.#world.breaksNow()) link.break(breakReason)
    signal.throwIfAborted()
    if (this.#world.vanishesNow(from, to)) await withSignal(new Promise<never>(() => undefined), signal)
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
