import type { NodeState } from './messages.ts'
import { NodePortClient } from './node-port-client.ts'

export interface NodeConnectionOptions {
  readonly onState?: (state: NodeState) => void
  /** The live port is gone and nothing is in its place yet. */
  readonly onLost?: () => void
}

/** The one way to the node that a page or service worker has at a time; ports come and go beneath it. */
export class NodeConnection {
  readonly #options: NodeConnectionOptions
  readonly #waiting = new Set<() => void>()
  #client: NodePortClient | undefined
  #state: NodeState | undefined

  constructor(options: NodeConnectionOptions = {}) {
    this.#options = options
  }

  /** Undefined without a live port that has spoken. */
  get state(): NodeState | undefined {
    return this.#state
  }

  /** Puts this port in the place of the former one, whose pending requests fail and move here. */
  use(port: MessagePort): NodePortClient {
    const former = this.#client
    const client: NodePortClient = new NodePortClient(port, {
      onState: (state) => this.#changed(client, state),
      onLost: () => this.#changed(client, undefined),
    })
    this.#client = client
    this.#state = undefined
    former?.lose()
    return client
  }

  /** Gives the live port up; pending requests wait for the next one. */
  drop(): void {
    this.#client?.lose()
  }

  /** Gives up for good: nothing will ever be in the place of the lost port, unless `use` is called after all. */
  fail(state: Extract<NodeState, { kind: 'failed' }>): void {
    const former = this.#client
    this.#client = undefined
    this.#state = state
    former?.lose()
    this.#wake()
    this.#options.onState?.(state)
  }

  /**
   * The connection, once the node is ready; for `fetchFromNode`.
   * @throws TypeError when the node could not start, with its sentence for people; the signal's reason when aborted.
   */
  async ready(signal: AbortSignal): Promise<NodePortClient> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#state?.kind === 'failed') throw new TypeError(this.#state.message)
      if (this.#client !== undefined && this.#state?.kind === 'ready') return this.#client
      await this.#change(signal)
    }
  }

  /** Resolves when this client is no longer the live one. */
  async lost(client: NodePortClient, signal: AbortSignal): Promise<void> {
    while (!client.isLost && this.#client === client && !signal.aborted) await this.#change(signal)
  }

  #changed(client: NodePortClient, state: NodeState | undefined): void {
    if (this.#client !== client) return
    this.#state = state
    if (state === undefined) this.#client = undefined
    this.#wake()
    if (state === undefined) this.#options.onLost?.()
    else this.#options.onState?.(state)
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Resolves at the next change or when the signal aborts. */
  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => {
      this.#waiting.delete(wake)
      signal.removeEventListener('abort', wake)
      resolve()
    }
    this.#waiting.add(wake)
    signal.addEventListener('abort', wake)
    return promise
  }
}
