import type { ServerName } from '@kith/matrix-protocol'
import { SimulatedPeerNetwork } from '@kith/testkit/simulated-network'
import type { SimulatedWorld, WorldIdentity } from '@kith/testkit/simulated-world'
import type { Exchange } from './exchange-checks.test-support.ts'

export interface RecordedExchange extends Exchange {
  readonly from: ServerName
  readonly to: ServerName
  /** By the test itself, not by a homeserver. */
  readonly byHand: boolean
}

const never = new AbortController().signal

/** Everything that servers of the simulated network say to each other, from its making until its disposal. */
export class RecordedNetwork implements Disposable {
  readonly exchanges: RecordedExchange[] = []
  readonly #byHand = new WeakSet<Request>()
  readonly #nodes = new Map<ServerName, SimulatedPeerNetwork>()
  readonly #restore: () => void

  constructor() {
    // oxlint-disable-next-line typescript/unbound-method -- called with their node below
    const { request: send, serve } = SimulatedPeerNetwork.prototype
    // oxlint-disable-next-line typescript/no-this-alias -- inside the functions below, `this` is the node
    const network = this
    SimulatedPeerNetwork.prototype.serve = function recordNode(handler) {
      network.#nodes.set(this.server, this)
      serve.call(this, handler)
    }
    SimulatedPeerNetwork.prototype.request = async function recordExchange(to, request, signal) {
      const asked = request.clone()
      const response = await send.call(this, to, request, signal)
      await network.#record(this.server, to, network.#byHand.has(request), asked, response.clone())
      return response
    }
    this.#restore = () => Object.assign(SimulatedPeerNetwork.prototype, { request: send, serve })
  }

  /** Asks in the name of a server: of a running one through its own node, of another as a node without a homeserver. */
  async ask(
    world: SimulatedWorld,
    from: WorldIdentity,
    to: ServerName,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<RecordedExchange> {
    return this.askWithText(world, from, to, { method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  }

  /** The same with a body that need not be JSON. */
  async askWithText(
    world: SimulatedWorld,
    from: WorldIdentity,
    to: ServerName,
    { method, path, body }: { readonly method: string; readonly path: string; readonly body?: string },
  ): Promise<RecordedExchange> {
    const node = this.#nodes.get(from.server) ?? world.network.node(from.server)
    this.#nodes.set(from.server, node)
    await node.start(never)
    const init = body === undefined ? { method } : { method, body, headers: { 'content-type': 'application/json' } }
    const request = new Request(`https://${to}${path}`, init)
    this.#byHand.add(request)
    const count = this.exchanges.length
    await world.finish(node.request(to, request, never))
    const own = this.exchanges.slice(count).find((exchange) => exchange.byHand && exchange.from === from.server)
    if (own === undefined) throw new Error('The exchange was not recorded')
    return own
  }

  [Symbol.dispose](): void {
    this.#restore()
  }

  async #record(from: ServerName, to: ServerName, byHand: boolean, asked: Request, response: Response): Promise<void> {
    const contentType = response.headers.get('content-type') ?? ''
    const [requestText, responseText] = [await asked.text(), await response.text()]
    this.exchanges.push({
      from,
      to,
      byHand,
      method: asked.method,
      url: new URL(asked.url),
      requestBody: parsed(requestText),
      status: response.status,
      contentType,
      responseBody: contentType.startsWith('application/json') ? parsed(responseText) : responseText,
    })
  }
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return text
  }
}
