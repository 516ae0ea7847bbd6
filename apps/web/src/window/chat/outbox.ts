import { observableValue } from '../observable.ts'
import type { Observable } from '../observable.ts'
import { chatLimits } from './limits.ts'
import type { OutboxEntry, OutboxStore } from './chat-database.ts'

export type SendAttempt =
  | { readonly kind: 'sent'; readonly eventId: string }
  /** Nothing that waiting would change. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Worth another try; `retryAfterMs` when the node named a time. */
  | { readonly kind: 'unreachable'; readonly retryAfterMs?: number }

/** An entry, and the event it became once the node has answered. */
export interface OutboxItem {
  readonly entry: OutboxEntry
  readonly eventId?: string
}

export type PutOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'full' }
  | { readonly kind: 'too-long' }
  | { readonly kind: 'storage-failed' }
  /** The chat has moved to another tab, which would not learn of the message. */
  | { readonly kind: 'stopped' }

export interface OutboxOptions {
  readonly store: OutboxStore
  /** Hands one message to the node. Called again with the same entry until it is sent or refused. */
  readonly send: (entry: OutboxEntry, signal: AbortSignal) => Promise<SendAttempt>
  readonly onSent: (entry: OutboxEntry, eventId: string) => void
  readonly now: () => number
  readonly newTransactionId: () => string
  /** Resolves after the time, or when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * What was written here and not yet answered by the node.
 * Invariants: an entry is stored before it is sent, and removed only after the node has answered; the entries of a room are
 * sent one after the other, in the order in which they were written; an entry keeps its transaction id until the node refused it.
 */
export class Outbox {
  readonly items: Observable<readonly OutboxItem[]>
  readonly #options: OutboxOptions
  readonly #items = observableValue<readonly OutboxItem[]>([])
  readonly #stop = new AbortController()
  readonly #senders = new Map<string, Promise<void>>()
  #putting: Promise<unknown> = Promise.resolve()

  constructor(options: OutboxOptions) {
    this.#options = options
    this.items = this.#items
  }

  /** Takes up what an earlier run, or another tab, has left. */
  async load(): Promise<void> {
    const entries = await this.#options.store.all()
    this.#items.set(entries.map((entry) => ({ entry })))
  }

  /** Begins to send: once the client has synced, so that the rooms and their encryption are known. */
  start(): void {
    for (const { entry } of this.#items.get()) this.#keepSending(entry.roomId)
  }

  /** Writes a message down. From `stored` on it is not lost. */
  put(roomId: string, text: string): Promise<PutOutcome> {
    if (this.#stop.signal.aborted) return Promise.resolve({ kind: 'stopped' })
    // One after the other, so that the order of the writes is the order of the calls.
    const outcome = this.#putting.then(() => this.#put(roomId, text))
    this.#putting = outcome
    return outcome
  }

  async retry(transactionId: string): Promise<void> {
    const item = this.#find(transactionId)
    if (item?.entry.failure === undefined) return
    const { failure: _failure, ...refused } = item.entry
    const entry = { ...refused, transactionId: this.#options.newTransactionId() }
    await this.#options.store.replace(entry)
    this.#replace({ entry })
    this.#keepSending(entry.roomId)
  }

  /** Drops a refused message. One that may still be under way cannot be called back. */
  async drop(transactionId: string): Promise<void> {
    const item = this.#find(transactionId)
    if (item?.entry.failure === undefined) return
    await this.#options.store.remove(item.entry.sequence)
    this.forget(transactionId)
  }

  /** The message came back from the server: from now on it is shown from there. */
  forget(transactionId: string): void {
    const items = this.#items.get()
    const left = items.filter((item) => item.entry.transactionId !== transactionId)
    if (left.length !== items.length) this.#items.set(left)
  }

  /** Resolves when nothing is being sent any more. What is left stays stored. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([this.#putting, ...this.#senders.values()])
  }

  async #put(roomId: string, text: string): Promise<PutOutcome> {
    if (this.#items.get().length >= chatLimits.outboxEntriesMax) return { kind: 'full' }
    if (contentBytes(text) > chatLimits.messageContentBytesMax) return { kind: 'too-long' }
    const { store, newTransactionId, now } = this.#options
    try {
      const entry = await store.add({ roomId, text, transactionId: newTransactionId(), writtenAtMs: now() })
      this.#items.set([...this.#items.get(), { entry }])
      this.#keepSending(roomId)
      return { kind: 'stored' }
    } catch {
      return { kind: 'storage-failed' }
    }
  }

  #keepSending(roomId: string): void {
    if (this.#senders.has(roomId) || this.#stop.signal.aborted) return
    const sender = this.#sendAll(roomId).finally(() => {
      this.#senders.delete(roomId)
      if (this.#next(roomId) !== undefined) this.#keepSending(roomId)
    })
    this.#senders.set(roomId, sender)
  }

  async #sendAll(roomId: string): Promise<void> {
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      const item = this.#next(roomId)
      if (item === undefined) return
      const attempt = await this.#options.send(item.entry, signal)
      switch (attempt.kind) {
        case 'sent':
          failures = 0
          await this.#settleSent(item.entry, attempt.eventId)
          break
        case 'refused':
          failures = 0
          await this.#settleRefused({ ...item.entry, failure: attempt.reason })
          break
        case 'unreachable': {
          const delays = chatLimits.retryDelaysMs
          await this.#options.wait(attempt.retryAfterMs ?? delays[Math.min(failures, delays.length - 1)] ?? 0, signal)
          failures += 1
          break
        }
      }
    }
  }

  async #settleSent(entry: OutboxEntry, eventId: string): Promise<void> {
    this.#replace({ entry, eventId })
    this.#options.onSent(entry, eventId)
    await this.#options.store.remove(entry.sequence)
  }

  async #settleRefused(entry: OutboxEntry): Promise<void> {
    this.#replace({ entry })
    await this.#options.store.replace(entry)
  }

  #next(roomId: string): OutboxItem | undefined {
    return this.#items.get().find(({ entry, eventId }) => entry.roomId === roomId && eventId === undefined && entry.failure === undefined)
  }

  #find(transactionId: string): OutboxItem | undefined {
    return this.#items.get().find((item) => item.entry.transactionId === transactionId)
  }

  #replace(changed: OutboxItem): void {
    this.#items.set(this.#items.get().map((item) => (item.entry.sequence === changed.entry.sequence ? changed : item)))
  }
}

function contentBytes(text: string): number {
  return new TextEncoder().encode(JSON.stringify({ body: text })).length
}
