import type { Log } from '@kith/homeserver/ports'
import type { ConnectionManager, TransportManager } from '@libp2p/interface-internal'
import type { PeerId, PeerStore } from '@libp2p/interface'
import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isRelayed, parseAddress, peerIdIn } from './addresses.ts'
import { ADDRESSES_PER_PEER_MAX, RELAY_RETRY_MS_MAX, RELAY_RETRY_MS_MIN, RELAYS_MAX } from './limits.ts'
import { backoffMs, ChangeSignal, sleep, untilAborted } from './waiting.ts'

/** What this needs of the circuit transport: libp2p keeps the reservations there. */
export interface Reservations {
  hasReservation(peerId: PeerId): boolean
  addRelay(peerId: PeerId, type: 'configured'): Promise<unknown>
  addEventListener(type: 'relay:removed' | 'relay:created-reservation', listener: () => void): void
}

export interface RelayKeeperOptions {
  readonly transports: TransportManager
  readonly connections: ConnectionManager
  readonly peerStore: PeerStore
  /** Shared with the requests that want the same relay: of two connections one would be surplus, perhaps that of the reservation. */
  readonly connect: (relay: PeerId) => Promise<unknown>
  /** Absent on nodes that do not listen through relays. */
  readonly reservations: Reservations | undefined
  readonly self: string
  readonly log: Log
}

interface Relay {
  readonly peerId: PeerId
  readonly addresses: Multiaddr[]
  readonly stop: AbortController
}

const IDENTIFY_MS_MAX = 3_000
const IDENTIFY_POLL_MS = 50

/** Keeps a connection to each chosen relay and a place at it to be called through, for as long as the relay is chosen. */
export class RelayKeeper {
  readonly #options: RelayKeeperOptions
  readonly #relays = new Map<string, Relay>()
  /** libp2p listens once a relay; after that, renewed reservations bring the addresses back. */
  readonly #listened = new Set<string>()
  readonly #changed = new ChangeSignal()
  #signal: AbortSignal | undefined

  constructor(options: RelayKeeperOptions) {
    this.#options = options
    options.reservations?.addEventListener('relay:removed', () => this.#changed.notify())
  }

  /** The addresses of the chosen relays, each ending in `/p2p/<relay>`. */
  addresses(): readonly Multiaddr[] {
    return [...this.#relays.values()].flatMap(({ addresses }) => addresses)
  }

  /** Replaces the choice of relays. Addresses that are unusable or name no peer are ignored. */
  choose(addresses: readonly string[]): void {
    const chosen = groupByPeer(addresses, this.#options.self)
    for (const [peerId, relay] of this.#relays) if (!chosen.has(peerId)) this.#drop(peerId, relay)
    for (const [peerId, wanted] of chosen) {
      const relay = this.#relays.get(peerId)
      if (relay !== undefined) relay.addresses.splice(0, relay.addresses.length, ...wanted)
      else this.#add(peerId, wanted)
    }
  }

  start(signal: AbortSignal): void {
    this.#signal = signal
    for (const relay of this.#relays.values()) this.#keep(relay, signal)
  }

  /** A connection was closed, or the device may have its network again. */
  recheck(): void {
    this.#changed.notify()
  }

  #add(peerId: string, addresses: Multiaddr[]): void {
    const relay = { peerId: peerIdFromString(peerId), addresses, stop: new AbortController() }
    this.#relays.set(peerId, relay)
    if (this.#signal !== undefined) this.#keep(relay, this.#signal)
  }

  #drop(peerId: string, relay: Relay): void {
    this.#relays.delete(peerId)
    relay.stop.abort(new Error('The relay is no longer chosen'))
    // Reservations live and die with the connection they were made on.
    for (const connection of this.#options.connections.getConnections(relay.peerId))
      connection.abort(new Error('The relay is no longer chosen'))
  }

  #keep(relay: Relay, stopped: AbortSignal): void {
    const signal = AbortSignal.any([stopped, relay.stop.signal])
    this.#keepConnected(relay, signal).catch((error: unknown) => {
      if (!signal.aborted) this.#options.log.error('relay: keeping the connection failed', { error: describe(error) })
    })
  }

  async #keepConnected(relay: Relay, signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#connect(relay, signal)
        await this.#reserve(relay, signal)
        log.info('relay: connected', { relay: relay.peerId.toString() })
        attempt = 0
        await this.#untilLost(relay, signal)
        log.info('relay: connection or reservation lost', { relay: relay.peerId.toString() })
      } catch (error) {
        signal.throwIfAborted()
        log.info('relay: not reachable', { relay: relay.peerId.toString(), attempt, error: describe(error) })
      }
      await this.#pause(backoffMs(attempt, RELAY_RETRY_MS_MIN, RELAY_RETRY_MS_MAX), signal)
    }
  }

  /** A device that has its network again need not wait for the end of a long pause. */
  async #pause(durationMs: number, signal: AbortSignal): Promise<void> {
    const online = new AbortController()
    const wake = (): void => online.abort()
    globalThis.addEventListener?.('online', wake)
    try {
      await sleep(durationMs, AbortSignal.any([signal, online.signal]))
    } catch {
      signal.throwIfAborted()
    } finally {
      globalThis.removeEventListener?.('online', wake)
    }
  }

  async #connect(relay: Relay, signal: AbortSignal): Promise<void> {
    if (this.#isConnected(relay)) return
    await untilAborted(this.#options.connect(relay.peerId), signal)
  }

  async #reserve(relay: Relay, signal: AbortSignal): Promise<void> {
    const { reservations, transports } = this.#options
    if (reservations === undefined || reservations.hasReservation(relay.peerId)) return
    // Asking a peer that does not (yet) offer circuits would make libp2p refuse it as a relay for ever.
    if (!(await this.#offersCircuits(relay, signal))) throw new Error('The relay offers no circuits')
    const key = relay.peerId.toString()
    const connection = this.#options.connections.getConnections(relay.peerId).find(({ remoteAddr }) => !isRelayed(remoteAddr))
    if (connection === undefined) throw new Error('The relay is no longer connected')
    if (this.#listened.has(key)) {
      await untilAborted(reservations.addRelay(relay.peerId, 'configured'), signal)
      return
    }
    await untilAborted(transports.listen([connection.remoteAddr.encapsulate('/p2p-circuit')]), signal)
    this.#listened.add(key)
  }

  async #offersCircuits(relay: Relay, signal: AbortSignal): Promise<boolean> {
    for (let waited = 0; waited < IDENTIFY_MS_MAX; waited += IDENTIFY_POLL_MS) {
      const offers = await this.#options.peerStore.get(relay.peerId).then(
        ({ protocols }) => protocols.includes(RELAY_V2_HOP_CODEC),
        () => false,
      )
      if (offers) return true
      await sleep(IDENTIFY_POLL_MS, signal)
    }
    return false
  }

  #isConnected(relay: Relay): boolean {
    return this.#options.connections
      .getConnections(relay.peerId)
      .some(({ status, remoteAddr }) => status === 'open' && !isRelayed(remoteAddr))
  }

  async #untilLost(relay: Relay, signal: AbortSignal): Promise<void> {
    const { reservations } = this.#options
    while (this.#isConnected(relay) && reservations?.hasReservation(relay.peerId) !== false) await this.#changed.wait(signal)
  }
}

function groupByPeer(texts: readonly string[], self: string): Map<string, Multiaddr[]> {
  const relays = new Map<string, Multiaddr[]>()
  for (const text of texts) {
    const address = parseAddress(text)
    const peerId = address === undefined ? undefined : peerIdIn(address)
    if (address === undefined || peerId === undefined || peerId === self || isRelayed(address)) continue
    const addresses = relays.get(peerId) ?? []
    if (relays.size >= RELAYS_MAX && addresses.length === 0) continue
    if (addresses.length < ADDRESSES_PER_PEER_MAX) addresses.push(address)
    relays.set(peerId, addresses)
  }
  return relays
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
