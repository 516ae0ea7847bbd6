import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'

interface SyncAnswer {
  readonly next_batch: string
  readonly rooms?: {
    readonly join?: Record<
      string,
      { readonly timeline?: { readonly events?: readonly { readonly content?: { readonly body?: string } }[] } }
    >
  }
}

/** Syncs without pause, and remembers when each message of a room was first seen. */
export class ArrivalWatch implements AsyncDisposable {
  static async open(client: Client, roomId: string): Promise<ArrivalWatch> {
    const watch = new ArrivalWatch(client, roomId)
    watch.#running = watch.#run(await watch.#sync(undefined))
    return watch
  }

  readonly #client: Client
  readonly #roomId: string
  readonly #arrivals = new Map<string, PromiseWithResolvers<number>>()
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  private constructor(client: Client, roomId: string) {
    this.#client = client
    this.#roomId = roomId
  }

  /** When the message was first seen, by `performance.now()`. */
  async arrivalOf(text: string, timeoutMs: number): Promise<number> {
    const late = new AbortController()
    const timeout = sleep(timeoutMs, undefined, { signal: late.signal }).then(() => Promise.reject(new Error(`"${text}" did not arrive`)))
    try {
      return await Promise.race([this.#arrival(text).promise, timeout])
    } finally {
      late.abort()
      timeout.catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(since: string): Promise<void> {
    let position = since
    while (!this.#stopping.signal.aborted) position = await this.#sync(position)
  }

  async #sync(since: string | undefined): Promise<string> {
    const query = since === undefined ? '' : `&since=${since}&timeout=1000`
    const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 200 } } }))
    const answer = (await this.#client.call('GET', `/v3/sync?filter=${filter}${query}`)) as unknown as SyncAnswer
    const seenAt = performance.now()
    for (const { content } of answer.rooms?.join?.[this.#roomId]?.timeline?.events ?? []) {
      if (content?.body !== undefined) this.#arrival(content.body).resolve(seenAt)
    }
    return answer.next_batch
  }

  #arrival(text: string): PromiseWithResolvers<number> {
    const known = this.#arrivals.get(text)
    if (known !== undefined) return known
    const arrival = Promise.withResolvers<number>()
    this.#arrivals.set(text, arrival)
    return arrival
  }
}
