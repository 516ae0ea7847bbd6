import { nodePortLimits } from './limits.ts'
import { parseMessageFromNode, type MessageToNode, type NodeState, type PlainRequest, type PlainResponse } from './messages.ts'

/** The port leads nowhere any more. Whether the request was processed is unknown. */
export class NodeConnectionLostError extends Error {
  override readonly name = 'NodeConnectionLostError'
}

interface PendingRequest {
  readonly resolve: (response: PlainResponse) => void
  readonly reject: (reason: unknown) => void
}

export interface NodePortClientOptions {
  readonly onState: (state: NodeState) => void
  readonly onLost: () => void
}

/**
 * A page's or service worker's side of one port.
 *
 * Invariants:
 * 1. Each request settles: with the response, the signal's reason, or NodeConnectionLostError.
 * 2. Once lost, a client stays lost: `onLost` is called once and later requests fail at once.
 */
export class NodePortClient {
  readonly #port: MessagePort
  readonly #options: NodePortClientOptions
  readonly #pending = new Map<number, PendingRequest>()
  readonly #greeted = Promise.withResolvers<void>()
  #nextId = 0
  #lost = false
  #silentChecks = 0
  #check: ReturnType<typeof setInterval> | undefined

  constructor(port: MessagePort, options: NodePortClientOptions) {
    this.#port = port
    this.#options = options
    this.#greeted.promise.catch(() => undefined)
    port.addEventListener('message', (event: MessageEvent) => this.#receive(event.data))
    // Not every browser tells when the other end of a port is gone; where it is not told, the pings find out.
    port.addEventListener('close', () => this.lose())
    port.start()
  }

  get isLost(): boolean {
    return this.#lost
  }

  /** Resolves at the node's first word; rejects with NodeConnectionLostError when none comes in time. */
  async greeted(timeoutMs: number = nodePortLimits.greetingMs): Promise<void> {
    const timer = setTimeout(() => this.lose(), timeoutMs)
    try {
      await this.#greeted.promise
    } finally {
      clearTimeout(timer)
    }
  }

  async request(request: PlainRequest, signal: AbortSignal): Promise<PlainResponse> {
    signal.throwIfAborted()
    if (this.#lost) throw new NodeConnectionLostError('The connection to the node is lost.')
    if (this.#pending.size >= nodePortLimits.requestsInFlightMax) throw new TypeError('Too many requests at a time.')
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<PlainResponse>()
    const abort = () => {
      this.#post({ kind: 'cancel', id })
      reject(signal.reason)
    }
    this.#pending.set(id, { resolve, reject })
    signal.addEventListener('abort', abort)
    this.#watchLiveness()
    // The body is copied, not transferred: the request may have to be repeated on another connection.
    this.#post({ kind: 'request', id, request })
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', abort)
      this.#pending.delete(id)
      if (this.#pending.size === 0) this.#stopWatching()
    }
  }

  /** Gives the connection up; pending requests fail. */
  lose(): void {
    if (this.#lost) return
    this.#lost = true
    this.#stopWatching()
    this.#post({ kind: 'close' })
    this.#port.close()
    const error = new NodeConnectionLostError('The connection to the node is lost.')
    this.#greeted.reject(error)
    for (const { reject } of this.#pending.values()) reject(error)
    this.#options.onLost()
  }

  #receive(data: unknown): void {
    const message = parseMessageFromNode(data)
    if (message === undefined || this.#lost) return
    this.#silentChecks = 0
    switch (message.kind) {
      case 'state':
        this.#greeted.resolve()
        return this.#options.onState(message.state)
      case 'response':
        return this.#pending.get(message.id)?.resolve(message.response)
      case 'pong':
        return
      case 'close':
        return this.lose()
    }
  }

  #watchLiveness(): void {
    if (this.#check !== undefined) return
    this.#silentChecks = 0
    this.#check = setInterval(() => {
      if (this.#silentChecks++ >= nodePortLimits.silentChecksMax) this.lose()
      else this.#post({ kind: 'ping' })
    }, nodePortLimits.livenessCheckMs)
  }

  #stopWatching(): void {
    clearInterval(this.#check)
    this.#check = undefined
  }

  #post(message: MessageToNode): void {
    this.#port.postMessage(message)
  }
}
