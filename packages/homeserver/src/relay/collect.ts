import { isJsonObject, type JsonObject, type JsonValue, ownString, parseServerName, type ServerName } from '@kith/matrix-protocol'
import { ACK_EDU_TYPE } from '../federation/deliver/outbox.ts'
import type { Ingest } from '../federation/ingest/ingest.ts'
import type { PeerClient } from '../federation/peer-client.ts'
import { isSignedBy } from '../federation/signed-json.ts'
import { parseTransaction } from '../federation/transaction.ts'
import { limits } from '../limits.ts'
import type { Ports } from '../ports/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { mailboxUser } from './handoff.ts'

export interface CollectParts {
  readonly ports: Pick<Ports, 'clock' | 'crypto' | 'log'>
  readonly client: PeerClient
  readonly ingest: Ingest
  readonly timeline: Timeline
  readonly serverName: ServerName
  /** The relays at which this server has mailboxes. */
  readonly relays: () => readonly ServerName[]
}

interface Entry {
  readonly entryId: number
  readonly transaction: JsonValue
}

/** Whom to tell that which transaction was taken in. */
interface Acknowledgement {
  readonly sender: ServerName
  readonly transactionId: string
}

/**
 * Fetches mail from relays.
 *
 * Invariants:
 * 1. An entry is acknowledged to the relay only after its content and the acknowledgement to its sender are durable here.
 * 2. What is malformed is acknowledged and skipped, so that it cannot block the mailbox; what fails for reasons of this server is not.
 */
export class Collect {
  readonly #parts: CollectParts
  readonly #signal: AbortSignal
  /** Relays being emptied; true: more mail was announced since. */
  readonly #running = new Map<ServerName, boolean>()
  readonly #tasks = new Set<Promise<void>>()

  constructor(parts: CollectParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  start(): void {
    this.#begin(this.#collectRegularly())
  }

  /** Fetches everything from that relay, beside the caller; a call while one runs makes it look once more. */
  collect(relay: ServerName): void {
    if (this.#signal.aborted) return
    const running = this.#running.has(relay)
    this.#running.set(relay, true)
    if (!running) this.#begin(this.#collectUntilQuiet(relay))
  }

  async stopped(): Promise<void> {
    await Promise.allSettled(this.#tasks)
  }

  async #collectRegularly(): Promise<void> {
    for (;;) {
      await this.#parts.ports.clock.sleep(limits.implementation.collectIntervalMs, this.#signal)
      for (const relay of this.#parts.relays()) this.collect(relay)
    }
  }

  async #collectUntilQuiet(relay: ServerName): Promise<void> {
    try {
      let unanswered = 0
      while (this.#running.get(relay) === true) {
        this.#running.set(relay, false)
        const outcome = await this.#empty(relay).catch((error: unknown) => this.#comeAgain(relay, error))
        unanswered = outcome === 'unanswered' ? unanswered + 1 : 0
        // A relay that stays away is no matter of this loop: it is asked when it is back.
        if (unanswered > 0 && unanswered <= limits.implementation.collectAttemptsMax)
          await this.#pauseAndRepeat(relay, limits.implementation.collectUnansweredRetryMs)
      }
    } finally {
      this.#running.delete(relay)
    }
  }

  /** What failed here stays at the relay; it is fetched again after a pause. */
  async #comeAgain(relay: ServerName, error: unknown): Promise<void> {
    this.#signal.throwIfAborted()
    this.#parts.ports.log.error('Taking mail in failed', { relay, error: error instanceof Error ? error.name : 'unknown' })
    await this.#pauseAndRepeat(relay, limits.implementation.collectRetryMs)
  }

  async #pauseAndRepeat(relay: ServerName, pauseMs: number): Promise<void> {
    await this.#parts.ports.clock.sleep(pauseMs, this.#signal)
    this.#running.set(relay, true)
  }

  /** Page after page, each request acknowledging the page before. */
  async #empty(relay: ServerName): Promise<'emptied' | 'unanswered'> {
    let acknowledged = 0
    for (;;) {
      const page = await this.#fetchPage(relay, acknowledged)
      if (page === 'unanswered') return page
      const last = page?.at(-1)
      if (page === undefined || last === undefined) return 'emptied'
      await this.#receivePage(relay, page)
      acknowledged = last.entryId
    }
  }

  /** Undefined when the relay refuses or answers nonsense. */
  async #fetchPage(relay: ServerName, acknowledged: number): Promise<readonly Entry[] | 'unanswered' | undefined> {
    const query = `entry_id=${acknowledged}&limit=${limits.implementation.collectPageEntriesMax}`
    const path = `/_matrix/federation/v1/relay_txn/${encodeURIComponent(mailboxUser(this.#parts.serverName))}?${query}`
    const answer = await this.#parts.client.call(relay, { method: 'GET', path }, this.#signal)
    if (answer.kind !== 'ok') {
      this.#parts.ports.log.info('A relay gave no mail', { relay, reason: answer.kind })
      return answer.kind === 'refused' ? undefined : 'unanswered'
    }
    const entries = parseEntries(answer.body['entries'], acknowledged)
    if (entries === undefined) this.#parts.ports.log.warn('A relay answered with a malformed page of mail', { relay })
    return entries
  }

  async #receivePage(relay: ServerName, entries: readonly Entry[]): Promise<void> {
    const received: Acknowledgement[] = []
    for (const entry of entries) {
      const acknowledgement = await this.#receiveEntry(relay, entry)
      if (acknowledgement !== undefined) received.push(acknowledgement)
    }
    if (received.length === 0) return
    const bySender = Map.groupBy(received, ({ sender }) => sender)
    await this.#parts.timeline.commit((transaction) => {
      for (const [sender, acknowledgements] of bySender) {
        const ids = [...new Set(acknowledgements.map(({ transactionId }) => transactionId))]
        transaction.enqueue(sender, { kind: 'edu', type: ACK_EDU_TYPE, content: { transaction_ids: ids } })
      }
    })
  }

  /** @throws storage failures: then the entry stays at the relay. */
  async #receiveEntry(relay: ServerName, { entryId, transaction: value }: Entry): Promise<Acknowledgement | undefined> {
    const body = isJsonObject(value) ? value : undefined
    const origin = parseServerName(body?.['origin'])
    const parsed = body === undefined ? undefined : parseTransaction(body)
    if (body === undefined || origin === undefined || parsed?.kind !== 'ok') {
      this.#parts.ports.log.warn('A relay handed out something that is no transaction', { relay, entryId })
      return undefined
    }
    const trusted = await this.#isVouchedFor(origin, body)
    if (!trusted) this.#parts.ports.log.warn('A transaction from a relay is not rightly signed as a whole', { relay, entryId })
    const transactionId = ownString(body, 'transaction_id') ?? ''
    await this.#parts.ingest.receive({ ...parsed.transaction, origin, transactionId, trusted }, this.#signal)
    // Nobody acknowledges acknowledgements: two servers would never come to an end.
    return trusted && !isOnlyAcknowledgement(parsed.transaction) ? { sender: origin, transactionId } : undefined
  }

  async #isVouchedFor(origin: ServerName, body: JsonObject): Promise<boolean> {
    const { destination, transaction_id: transactionId } = body
    if (destination !== this.#parts.serverName || origin === this.#parts.serverName) return false
    if (typeof transactionId !== 'string' || transactionId.length > limits.implementation.nameCharactersMax) return false
    return isSignedBy(this.#parts.ports.crypto, origin, body)
  }

  #begin(task: Promise<void>): void {
    const settled = task.catch((error: unknown) => {
      if (this.#signal.aborted) return
      this.#parts.ports.log.error('Collecting mail failed', { error: error instanceof Error ? error.name : 'unknown' })
    })
    this.#tasks.add(settled)
    void settled.then(() => this.#tasks.delete(settled))
  }
}

function isOnlyAcknowledgement({ pdus, edus }: { readonly pdus: readonly JsonValue[]; readonly edus: readonly JsonValue[] }): boolean {
  return pdus.length === 0 && edus.every((edu) => isJsonObject(edu) && edu['edu_type'] === ACK_EDU_TYPE)
}

/** Entry ids must grow, or a relay could keep this server busy with the same page for ever. */
function parseEntries(value: JsonValue | undefined, after: number): Entry[] | undefined {
  if (!Array.isArray(value) || value.length > limits.implementation.collectPageEntriesMax) return undefined
  const entries: Entry[] = []
  let last = after
  for (const item of value) {
    const entryId = isJsonObject(item) ? item['entry_id'] : undefined
    if (!isJsonObject(item) || typeof entryId !== 'number' || !Number.isSafeInteger(entryId) || entryId <= last) return undefined
    entries.push({ entryId, transaction: item['transaction'] ?? null })
    last = entryId
  }
  return entries
}
