import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import type { PeerAnswer, PeerClient } from '../federation/peer-client.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { RelayLists } from './relay-lists.ts'

export type HandoffOutcome =
  /** These relays hold the transaction, at least one of them until `expiresAt` (ms). */
  | { readonly kind: 'held'; readonly relays: readonly ServerName[]; readonly expiresAt: number }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'no-relay'; readonly retryAfterMs?: number }

/** Puts transactions for servers that are away at their relays. */
export class Handoff {
  readonly #client: PeerClient
  readonly #clock: Clock
  readonly #lists: RelayLists
  readonly #ownRelays: () => readonly ServerName[]

  constructor(input: {
    readonly client: PeerClient
    readonly clock: Clock
    readonly lists: RelayLists
    readonly ownRelays: () => readonly ServerName[]
  }) {
    this.#client = input.client
    this.#clock = input.clock
    this.#lists = input.lists
    this.#ownRelays = input.ownRelays
  }

  /** Offers the signed transaction to every relay of the recipient; to this server's own ones while the recipient's are unknown. */
  async handOver(recipient: ServerName, transactionId: string, transaction: JsonObject, signal: AbortSignal): Promise<HandoffOutcome> {
    const listed = await this.#lists.relaysOf(recipient)
    const relays = listed?.map((relay) => relay.server) ?? this.#ownRelays()
    const path = `/_matrix/federation/v1/send_relay/${encodeURIComponent(transactionId)}/${encodeURIComponent(mailboxUser(recipient))}`
    const timeoutMs = limits.implementation.handoffTimeoutMs
    const answers = await Promise.all(
      relays.map(async (relay) => ({
        relay,
        answer: await this.#client.call(relay, { method: 'PUT', path, body: transaction, timeoutMs }, signal),
      })),
    )
    return this.#judge(answers)
  }

  #judge(answers: readonly { readonly relay: ServerName; readonly answer: PeerAnswer }[]): HandoffOutcome {
    const held = answers.filter(({ answer }) => answer.kind === 'ok')
    if (held.length > 0) {
      return {
        kind: 'held',
        relays: held.map(({ relay }) => relay),
        expiresAt: Math.max(...held.map(({ answer }) => this.#expiryOf(answer))),
      }
    }
    if (answers.some(({ answer }) => answer.kind === 'refused' && answer.status === 413)) return { kind: 'too-large' }
    const delays = answers.flatMap(({ answer }) => (answer.kind === 'refused' ? [answer.members['retry_after_ms']] : []))
    const retryAfterMs = Math.min(...delays.filter((delay) => typeof delay === 'number' && delay > 0).map(Number))
    return Number.isFinite(retryAfterMs) ? { kind: 'no-relay', retryAfterMs } : { kind: 'no-relay' }
  }

  #expiryOf(answer: PeerAnswer): number {
    const now = this.#clock.now()
    const told = answer.kind === 'ok' ? Number(answer.body['expires_at']) : Number.NaN
    const { custodyMinMs, custodyMaxMs } = limits.implementation
    if (!Number.isSafeInteger(told)) return now + custodyMinMs
    return Math.min(Math.max(told, now + custodyMinMs), now + custodyMaxMs)
  }
}

/** A mailbox belongs to a server, while the endpoints speak of a user; the local part means nothing. */
export function mailboxUser(server: ServerName): string {
  return `@mailbox:${server}`
}
