import type { Stream } from '@libp2p/interface'
import { BODY_STALLED_MS_MAX } from '../limits.ts'

/** The stream or its connection is gone. */
export class StreamLostError extends Error {
  override readonly name = 'StreamLostError'
}

/**
 * Writes to a libp2p stream and waits while the peer does not keep up.
 *
 * `send()` answering false means: accepted, but send nothing more before the `drain` event. (`onDrain()` of js-libp2p 3 resolves
 * for the first drain of a stream and ever after, so it is not used.)
 */
export class StreamWriter {
  readonly #stream: Stream
  #blocked: PromiseWithResolvers<void> | undefined
  #stalled: ReturnType<typeof setTimeout> | undefined
  #lost = false

  constructor(stream: Stream) {
    this.#stream = stream
    stream.addEventListener('drain', () => this.#unblock())
    stream.addEventListener('close', () => {
      this.#lost = true
      this.#unblock()
    })
  }

  get blocked(): boolean {
    return this.#blocked !== undefined
  }

  /** Resolves when more may be written. @throws StreamLostError */
  async ready(): Promise<void> {
    while (this.#blocked !== undefined && !this.#lost) await this.#blocked.promise
    this.#throwIfLost()
  }

  /** @throws StreamLostError */
  async write(bytes: Uint8Array): Promise<void> {
    await this.ready()
    this.writeNow(bytes)
  }

  /** Writes without waiting; only for what is small and rare. @throws StreamLostError */
  writeNow(bytes: Uint8Array): void {
    this.#throwIfLost()
    let acceptsMore: boolean
    try {
      acceptsMore = this.#stream.send(bytes)
    } catch (cause) {
      this.#lost = true
      throw new StreamLostError('The stream was lost', { cause })
    }
    if (!acceptsMore) this.#block()
  }

  #block(): void {
    if (this.#blocked !== undefined) return
    this.#blocked = Promise.withResolvers()
    this.#stalled = setTimeout(() => this.#stream.abort(new StreamLostError('The peer takes nothing from a stream')), BODY_STALLED_MS_MAX)
  }

  #throwIfLost(): void {
    if (this.#lost || this.#stream.status !== 'open') throw new StreamLostError('The stream was lost')
  }

  #unblock(): void {
    const blocked = this.#blocked
    clearTimeout(this.#stalled)
    this.#blocked = undefined
    blocked?.resolve()
  }
}
