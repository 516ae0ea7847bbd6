import { nodePortLimits } from './limits.ts'
import { parseMessageToNode, type MessageFromNode, type NodeState, type PlainRequest, type PlainResponse } from './messages.ts'
import { errorResponse, fromPlainRequest, fromPlainResponse, toPlainResponse } from './plain-http.ts'

export type AnswerRequest = (request: Request) => Promise<Response>

/**
 * The node's side of all its ports.
 *
 * Invariants:
 * 1. Every attached port learns the present state at once, and each later one.
 * 2. Clients send requests once they have heard `ready`; one that comes earlier is refused.
 * 3. Each request is answered at most once; a cancelled one never.
 */
export class NodePorts {
  readonly #ports = new Map<MessagePort, ServedPort>()
  #state: NodeState = { kind: 'starting', step: 'loading' }
  #answer: AnswerRequest | undefined

  attach(port: MessagePort): void {
    if (this.#ports.size >= nodePortLimits.portsMax) {
      post(port, { kind: 'close' })
      port.close()
      return
    }
    const served = new ServedPort(port, {
      answer: (request) => (this.#answer === undefined ? starting() : this.#answer(request)),
      onClose: () => this.#ports.delete(port),
    })
    this.#ports.set(port, served)
    served.tell({ kind: 'state', state: this.#state })
  }

  /** Tells the state to all. */
  report(state: Exclude<NodeState, { kind: 'ready' }>): void {
    this.#setState(state)
  }

  /** From now on requests are answered by `answer`. */
  ready(serverName: string, answer: AnswerRequest): void {
    this.#answer = answer
    this.#setState({ kind: 'ready', serverName })
  }

  #setState(state: NodeState): void {
    this.#state = state
    for (const served of this.#ports.values()) served.tell({ kind: 'state', state })
  }
}

interface ServedPortOptions {
  readonly answer: AnswerRequest
  readonly onClose: () => void
}

class ServedPort {
  readonly #port: MessagePort
  readonly #options: ServedPortOptions
  readonly #running = new Map<number, AbortController>()

  constructor(port: MessagePort, options: ServedPortOptions) {
    this.#port = port
    this.#options = options
    port.addEventListener('message', (event: MessageEvent) => this.#receive(event.data))
    port.addEventListener('close', () => this.#close())
    port.start()
  }

  tell(message: MessageFromNode): void {
    post(this.#port, message)
  }

  #receive(data: unknown): void {
    const message = parseMessageToNode(data)
    switch (message?.kind) {
      case undefined:
        return
      case 'ping':
        return this.tell({ kind: 'pong' })
      case 'close':
        return this.#close()
      case 'cancel':
        this.#running.get(message.id)?.abort()
        return
      case 'request':
        return this.#accept(message.id, message.request)
    }
  }

  #accept(id: number, request: PlainRequest): void {
    if (this.#running.has(id)) return
    if (this.#running.size >= nodePortLimits.requestsInFlightMax) {
      this.#respond(id, errorResponse(429, 'M_LIMIT_EXCEEDED', 'Too many requests at a time.'))
    } else {
      void this.#run(id, request)
    }
  }

  async #run(id: number, plain: PlainRequest): Promise<void> {
    const controller = new AbortController()
    this.#running.set(id, controller)
    const response = await answerPlain(plain, this.#options.answer, controller.signal)
    this.#running.delete(id)
    if (!controller.signal.aborted) this.#respond(id, response)
  }

  #respond(id: number, response: PlainResponse): void {
    post(this.#port, { kind: 'response', id, response }, response.body === undefined ? [] : [response.body])
  }

  #close(): void {
    this.#options.onClose()
    for (const controller of this.#running.values()) controller.abort()
    this.#port.close()
  }
}

async function answerPlain(plain: PlainRequest, answer: AnswerRequest, signal: AbortSignal): Promise<PlainResponse> {
  let request: Request
  try {
    request = fromPlainRequest(plain, signal)
  } catch {
    return errorResponse(400, 'M_UNRECOGNIZED', 'Not a valid request.')
  }
  try {
    return await toPlainResponse(await answer(request))
  } catch {
    // The homeserver answers errors itself; what reaches this place is an abort or a bug that it has logged.
    return errorResponse(500, 'M_UNKNOWN', 'The homeserver could not answer.')
  }
}

function starting(): Promise<Response> {
  return Promise.resolve(fromPlainResponse(errorResponse(503, 'M_UNKNOWN', 'The homeserver is starting.')))
}

function post(port: MessagePort, message: MessageFromNode, transfer: Transferable[] = []): void {
  port.postMessage(message, transfer)
}
