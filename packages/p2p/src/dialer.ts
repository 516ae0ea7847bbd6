import type { Connection } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isRelayed } from './addresses.ts'
import { withTimeLimit } from './waiting.ts'
import { DIAL_ADDRESS_MS_MAX, DIAL_CANDIDATES_MAX, DIAL_STAGGER_MS, DIALS_AT_ONCE_MAX } from './limits.ts'

/**
 * Tries addresses of one peer, a new one whenever the ones before it failed or have kept silent for a moment, and resolves with the
 * first connection. The slower ones are given up, except that direct ones go on when a relayed one won: they may still replace it.
 *
 * libp2p's own dial queue tries a peer's addresses one after the other, 6 s each, hence the transports are called directly.
 *
 * @throws AggregateError when no address works, or the signal's reason.
 */
export async function dialFirst(transports: TransportManager, addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted()
  const candidates = addresses
    .filter((address) => transports.dialTransportForMultiaddr(address) !== undefined)
    .slice(0, DIAL_CANDIDATES_MAX)
  const race = new DialRace(transports, candidates, signal)
  return race.run()
}

class DialRace {
  readonly #transports: TransportManager
  readonly #waiting: Multiaddr[]
  readonly #signal: AbortSignal
  readonly #result = Promise.withResolvers<Connection>()
  readonly #running = new Map<Multiaddr, AbortController>()
  readonly #errors: unknown[] = []
  #stagger: ReturnType<typeof setTimeout> | undefined
  #over = false

  constructor(transports: TransportManager, candidates: readonly Multiaddr[], signal: AbortSignal) {
    this.#transports = transports
    this.#waiting = [...candidates]
    this.#signal = signal
  }

  async run(): Promise<Connection> {
    const onAbort = (): void =>
      this.#end(
        () => this.#result.reject(this.#signal.reason),
        () => false,
      )
    this.#signal.addEventListener('abort', onAbort, { once: true })
    this.#advance()
    try {
      return await this.#result.promise
    } finally {
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  #advance(): void {
    clearTimeout(this.#stagger)
    if (this.#over) return
    const next = this.#running.size < DIALS_AT_ONCE_MAX ? this.#waiting.shift() : undefined
    if (next !== undefined) void this.#dial(next)
    if (this.#running.size === 0) {
      this.#end(
        () => this.#result.reject(new AggregateError(this.#errors, 'No address answered')),
        () => false,
      )
    } else if (this.#waiting.length > 0) {
      this.#stagger = setTimeout(() => this.#advance(), DIAL_STAGGER_MS)
    }
  }

  async #dial(address: Multiaddr): Promise<void> {
    const controller = new AbortController()
    this.#running.set(address, controller)
    try {
      const connection = await withTimeLimit(DIAL_ADDRESS_MS_MAX, controller.signal, async (signal) =>
        this.#transports.dial(address, { signal }),
      )
      this.#running.delete(address)
      this.#end(
        () => this.#result.resolve(connection),
        (other) => isRelayed(address) && !isRelayed(other),
      )
    } catch (error) {
      this.#running.delete(address)
      this.#errors.push(error)
      this.#advance()
    }
  }

  /** `goesOn` says which dials under way are worth finishing. */
  #end(settle: () => void, goesOn: (address: Multiaddr) => boolean): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#stagger)
    settle()
    for (const [address, controller] of this.#running) if (!goesOn(address)) controller.abort(new Error('Another address was faster'))
  }
}
