import { parseServerName, type ServerName } from '@kith/matrix-protocol'
import type { ChooseRelaysOutcome, RelayInfo } from '../client-api/federation-access.ts'
import type { PeerClient } from '../federation/peer-client.ts'
import { Wake } from '../federation/wake.ts'
import { limits } from '../limits.ts'
import type { Ports } from '../ports/index.ts'
import { WriteBatch } from '../ports/storage.ts'
import { groupAddresses, type RelayAddresses } from './relay-address.ts'
import type { RelayLists } from './relay-lists.ts'
import { relayTables } from './tables.ts'

const MAILBOX_PATH = '/_matrix/federation/unstable/im.kith/mailbox'

interface RelayEntry {
  readonly server: ServerName
  addresses: readonly string[]
  state: RelayInfo['state']
  mailbox: 'unknown' | 'reserved' | 'refused'
  readonly wake: Wake
  readonly lifetime: AbortController
}

type RelaysPorts = Pick<Ports, 'clock' | 'storage' | 'network' | 'log'>

/**
 * The relays that this server uses: configured ones and those chosen at run time. Keeps a mailbox reserved at each, and with it
 * the connection, over which the relay calls when mail waits.
 */
export class Relays {
  readonly #ports: RelaysPorts
  readonly #client: PeerClient
  readonly #lists: RelayLists
  readonly #entries = new Map<ServerName, RelayEntry>()
  readonly #signal: AbortSignal
  readonly #changeListeners = new Set<() => void>()
  readonly #readyListeners = new Set<(relay: ServerName) => void>()
  #started = false

  private constructor(ports: RelaysPorts, client: PeerClient, lists: RelayLists, signal: AbortSignal) {
    this.#ports = ports
    this.#client = client
    this.#lists = lists
    this.#signal = signal
  }

  /** @throws RangeError when a configured address does not end in `/p2p/…` with an Ed25519 key. */
  static async open(
    ports: RelaysPorts,
    input: {
      readonly client: PeerClient
      readonly lists: RelayLists
      readonly configured: readonly string[]
      readonly signal: AbortSignal
    },
  ): Promise<Relays> {
    const configured = groupAddresses(input.configured)
    if (configured === undefined) throw new RangeError('Each relay address must end in /p2p/ and a peer id')
    const relays = new Relays(ports, input.client, input.lists, input.signal)
    for (const relay of configured) relays.#entries.set(relay.server, newEntry(relay))
    for (const { key, value } of await ports.storage.range(relayTables.chosen, { limit: limits.implementation.relaysChosenMax })) {
      const server = parseServerName(key[0])
      if (server === undefined) continue
      if (!value.active) relays.#entries.delete(server)
      else if (!relays.#entries.has(server)) relays.#entries.set(server, newEntry({ server, addresses: value.addresses }))
    }
    relays.#choose()
    await relays.#publish()
    return relays
  }

  start(): void {
    this.#started = true
    this.#ports.network.watchPeers((event) => {
      const entry = this.#entries.get(event.server)
      if (entry === undefined) return
      this.#setState(entry, event.kind === 'connected' ? 'connected' : 'connecting')
      entry.wake.wake()
    }, this.#signal)
    for (const entry of this.#entries.values()) void this.#maintain(entry)
  }

  servers(): ServerName[] {
    return [...this.#entries.keys()]
  }

  uses(server: ServerName): boolean {
    return this.#entries.has(server)
  }

  infos(): RelayInfo[] {
    return Array.from(this.#entries.values(), ({ server, addresses, state, mailbox }) => ({
      server,
      addresses,
      state,
      mailbox: mailbox === 'reserved' ? 'reserved' : 'none',
    }))
  }

  async add(addresses: readonly string[]): Promise<ChooseRelaysOutcome> {
    const groups = groupAddresses(addresses)
    if (groups === undefined || groups.length === 0) return { kind: 'invalid', reason: 'Each address must end in /p2p/ and a peer id' }
    if (this.#entries.size + groups.length > limits.implementation.relaysChosenMax) return { kind: 'invalid', reason: 'Too many relays' }
    const batch = new WriteBatch()
    for (const { server, addresses: own } of groups) batch.put(relayTables.chosen, [server], { addresses: own, active: true })
    await this.#ports.storage.commit(batch.writes)
    for (const group of groups) this.#begin(group)
    this.#choose()
    await this.#publish()
    this.#notifyChange()
    return { kind: 'chosen', servers: groups.map((group) => group.server) }
  }

  /** False when it was none. */
  async remove(server: ServerName): Promise<boolean> {
    const entry = this.#entries.get(server)
    if (entry === undefined) return false
    // The row stays, so that a configured relay does not come back at the next start.
    const row = { addresses: entry.addresses, active: false }
    await this.#ports.storage.commit(new WriteBatch().put(relayTables.chosen, [server], row).writes)
    this.#entries.delete(server)
    entry.lifetime.abort(new DOMException('The relay was removed', 'AbortError'))
    this.#choose()
    await this.#publish()
    this.#notifyChange()
    return true
  }

  /** Calls the listener after each change of `infos()`. */
  watch(listener: () => void): void {
    this.#changeListeners.add(listener)
  }

  /** Calls the listener each time a relay has confirmed the mailbox: mail may wait there, and mail can be handed over there. */
  watchReady(listener: (relay: ServerName) => void): void {
    this.#readyListeners.add(listener)
  }

  #begin(relay: RelayAddresses): void {
    const known = this.#entries.get(relay.server)
    if (known !== undefined) {
      known.addresses = relay.addresses
      this.#ports.network.learnAddresses(relay.server, relay.addresses)
      known.wake.wake()
      return
    }
    const entry = newEntry(relay)
    this.#entries.set(relay.server, entry)
    if (this.#started) void this.#maintain(entry)
  }

  async #maintain(entry: RelayEntry): Promise<void> {
    const signal = AbortSignal.any([this.#signal, entry.lifetime.signal])
    this.#ports.network.learnAddresses(entry.server, entry.addresses)
    try {
      for (;;) {
        const pauseMs = await this.#reserve(entry, signal)
        await entry.wake.wait(this.#ports.clock, pauseMs, signal)
        // A connection that breaks and comes back in bursts is not answered with a burst of reservations.
        await this.#ports.clock.sleep(limits.implementation.relayReconnectDelayMs, signal)
        entry.wake.clear()
      }
    } catch (error) {
      if (!signal.aborted)
        this.#ports.log.error('Keeping a relay failed', { relay: entry.server, error: error instanceof Error ? error.name : 'unknown' })
    }
  }

  /** One attempt at a reservation. Answers how long to wait for the next. */
  async #reserve(entry: RelayEntry, signal: AbortSignal): Promise<number> {
    const answer = await this.#client.call(entry.server, { method: 'PUT', path: MAILBOX_PATH, body: {} }, signal)
    switch (answer.kind) {
      case 'ok': {
        await this.#setMailbox(entry, 'reserved')
        for (const listener of this.#readyListeners) listener(entry.server)
        const leftMs = Number(answer.body['expires_at']) - this.#ports.clock.now()
        return Math.min(
          Math.max(Number.isFinite(leftMs) ? leftMs / 2 : 0, limits.implementation.reservationRetryMs),
          limits.implementation.collectIntervalMs,
        )
      }
      case 'refused':
        await this.#setMailbox(entry, 'refused')
        this.#ports.log.warn('A relay refuses to keep a mailbox', { relay: entry.server, errcode: answer.errcode })
        return limits.implementation.reservationRefusedRetryMs
      default:
        this.#setState(entry, this.#isConnected(entry.server) ? 'connected' : 'unreachable')
        return limits.implementation.reservationRetryMs
    }
  }

  async #setMailbox(entry: RelayEntry, mailbox: RelayEntry['mailbox']): Promise<void> {
    const changed = entry.mailbox !== mailbox
    entry.mailbox = mailbox
    this.#setState(entry, 'connected')
    if (changed) this.#notifyChange()
    await this.#publish()
  }

  #setState(entry: RelayEntry, state: RelayEntry['state']): void {
    if (entry.state === state) return
    entry.state = state
    this.#notifyChange()
  }

  #choose(): void {
    this.#ports.network.chooseRelays([...this.#entries.values()].flatMap(({ addresses }) => addresses))
  }

  /** A relay counts as ours from the moment it is chosen, so that a link made before the first reservation names it. */
  #publish(): Promise<void> {
    const usable = [...this.#entries.values()].filter(({ mailbox }) => mailbox !== 'refused')
    return this.#lists.setOwnRelays(usable.map(({ server, addresses }) => ({ server, addresses })))
  }

  #isConnected(server: ServerName): boolean {
    return this.#ports.network.connections().some((connection) => connection.server === server)
  }

  #notifyChange(): void {
    for (const listener of this.#changeListeners) listener()
  }
}

function newEntry({ server, addresses }: RelayAddresses): RelayEntry {
  return { server, addresses, state: 'connecting', mailbox: 'unknown', wake: new Wake(), lifetime: new AbortController() }
}
