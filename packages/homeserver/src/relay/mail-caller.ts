import type { ServerName } from '@kith/matrix-protocol'
import type { PeerClient } from '../federation/peer-client.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { PeerNetwork } from '../ports/peer-network.ts'
import type { Mailboxes } from './mailboxes.ts'

const MAIL_WAITING_PATH = '/_matrix/federation/unstable/im.kith/mail_waiting'

/** Tells recipients that are connected that mail waits for them; at most one call each at a time. */
export class MailCaller {
  readonly #mailboxes: Mailboxes
  readonly #network: PeerNetwork
  readonly #client: PeerClient
  readonly #clock: Clock
  readonly #log: Log
  readonly #signal: AbortSignal
  /** Recipients being called; true: mail arrived since, call again. */
  readonly #calling = new Map<ServerName, boolean>()

  constructor(input: {
    readonly mailboxes: Mailboxes
    readonly network: PeerNetwork
    readonly client: PeerClient
    readonly clock: Clock
    readonly log: Log
    readonly signal: AbortSignal
  }) {
    this.#mailboxes = input.mailboxes
    this.#network = input.network
    this.#client = input.client
    this.#clock = input.clock
    this.#log = input.log
    this.#signal = input.signal
    input.network.watchPeers((event) => {
      if (event.kind === 'connected') this.call(event.server)
    }, input.signal)
  }

  /** Returns at once. */
  call(recipient: ServerName): void {
    if (this.#signal.aborted || !this.#isConnected(recipient)) return
    if (this.#calling.has(recipient)) {
      this.#calling.set(recipient, true)
      return
    }
    this.#calling.set(recipient, true)
    void this.#callUntilQuiet(recipient)
  }

  async #callUntilQuiet(recipient: ServerName): Promise<void> {
    try {
      while (this.#calling.get(recipient) === true && this.#isConnected(recipient)) {
        this.#calling.set(recipient, false)
        const entries = await this.#mailboxes.countEntries(recipient)
        if (entries === 0) continue
        const answer = await this.#client.call(recipient, { method: 'POST', path: MAIL_WAITING_PATH, body: { entries } }, this.#signal)
        // The call may have gone to a connection that the recipient had already lost.
        if (answer.kind !== 'ok' && answer.kind !== 'refused') this.#calling.set(recipient, true)
        // Mail that comes in a burst is announced once.
        await this.#clock.sleep(limits.implementation.mailWaitingIntervalMs, this.#signal)
      }
    } catch (error) {
      if (!this.#signal.aborted)
        this.#log.error('Announcing mail failed', { recipient, error: error instanceof Error ? error.name : 'unknown' })
    } finally {
      this.#calling.delete(recipient)
    }
  }

  #isConnected(server: ServerName): boolean {
    return this.#network.connections().some((connection) => connection.server === server)
  }
}
