import { SimulatedWorld } from '@kith/testkit/simulated-world'
import type { PreviewOutcome } from '../src/ports/url-previewer.ts'
import type { PushGatewayOutcome } from '../src/ports/push-gateway.ts'
import { AS_TOKEN, registrationOf } from '../src/app-services/service-node.test-support.ts'
import { type Json, TestNode, TestUser } from '../src/client-api/test-node.test-support.ts'
import { type ClientExchange, problemsOfClientResponse } from './client-exchange-checks.test-support.ts'
import { problemsOfRequest } from './exchange-checks.test-support.ts'
import { loadOperations, type Operation } from './openapi.test-support.ts'

/** What fills a request of an operation. `bytes`: a body that is no JSON. */
export interface Wish {
  readonly path?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  readonly body?: unknown
  readonly bytes?: Uint8Array<ArrayBuffer>
  readonly contentType?: string
  /** The request is not what the data says, on purpose. */
  readonly isWrong?: boolean
}

/** Whose request it is: a user's, or nobody's at a node. */
export type Asker = TestUser | TestNode

export const PASSWORD = 'correct horse battery staple'

/**
 * Two homeservers, and every request that a client makes of them by the name that the specification gives the operation. Requests and
 * answers are held against the specification's data; what is wrong is kept by operation instead of thrown.
 */
export class ClientContract implements AsyncDisposable {
  readonly operations: readonly Operation[] = loadOperations('client-server')
  readonly world = new SimulatedWorld(19)
  readonly home = new TestNode(this.world)
  readonly away = new TestNode(this.world)
  readonly exchanges: ClientExchange[] = []
  /** Names of what the nodes logged as an error. */
  readonly errorsLogged: string[] = []
  readonly #byId = new Map(this.operations.map((operation) => [operation.id, operation]))
  readonly #problems = new Map<string, string[]>()
  /** At home: the owner of the node, and another user of it. */
  alice!: TestUser
  carol!: TestUser
  /** Away. */
  bob!: TestUser
  /** At home: the sender of an application service that leads to no other network. */
  bridge!: TestUser
  /** A public room of alice's with the others in it. */
  roomId = ''

  async begin(): Promise<this> {
    for (const node of [this.home, this.away]) {
      const error = (message: string, fields: object = {}): void => void this.errorsLogged.push(`${message} ${JSON.stringify(fields)}`)
      node.log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error }
      // Only some nodes can call the web, and this one calls nobody: its gateway takes everything, and every page of the web is the same.
      const post = async (): Promise<PushGatewayOutcome> => ({ kind: 'answered', status: 200, body: { rejected: [] } })
      const preview = async (): Promise<PreviewOutcome> => ({ kind: 'found', properties: { 'og:title': 'Example' } })
      const appServiceClient = { request: async () => ({ kind: 'answered', status: 200, body: {}, text: '{}' }) as const }
      if (node === this.home)
        node.optionalPorts = { pushGateway: { allowsInsecure: false, post }, urlPreviewer: { preview }, appServiceClient }
      await node.start(node === this.home ? { appServices: [registrationOf()] } : {})
    }
    this.alice = await this.home.register('alice', PASSWORD)
    this.carol = await this.home.register('carol')
    const login = { user_id: `@bridge:${this.home.identity.server}`, device_id: '', access_token: AS_TOKEN }
    this.bridge = new TestUser(this.home, login)
    this.bob = await this.away.register('bob')
    this.roomId = await this.alice.createRoom({ preset: 'public_chat', name: 'The square', room_alias_name: 'square' })
    await this.carol.ok('POST', `/join/${encodeURIComponent(this.roomId)}`)
    await this.world.finish(this.bob.ok('POST', `/join/${encodeURIComponent(`#square:${this.home.identity.server}`)}`))
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
    await this.away[Symbol.asyncDispose]()
  }

  operation(id: string): Operation {
    const operation = this.#byId.get(id)
    if (operation === undefined) throw new Error(`The specification has no operation ${id}`)
    return operation
  }

  problemsOf(id: string): readonly string[] {
    return this.#problems.get(id) ?? []
  }

  /** The answer to a request that must have that status; what the data or the status is against is kept as a problem. */
  async ask(asker: Asker, id: string, wish: Wish = {}, status = 200): Promise<Json> {
    const operation = this.operation(id)
    const path = filled(operation, wish.path ?? {})
    const exchange = await this.send(asker, operation, `${path}${queryOf(wish)}`, wish)
    this.exchanges.push(exchange)
    const problems = [
      ...(wish.isWrong === true ? [] : problemsOfRequest(operation, exchange)),
      ...problemsOfClientResponse(operation, exchange),
    ]
    if (exchange.status !== status) problems.push(`expected ${status}, got ${JSON.stringify(exchange.responseBody)?.slice(0, 500)}`)
    if (problems.length > 0) {
      const told = problems.map((problem) => `${operation.method} ${exchange.url.pathname} → ${exchange.status}: ${problem}`)
      this.#problems.set(id, [...this.problemsOf(id), ...told])
    }
    return exchange.responseBody
  }

  /** Sends what may be wrong, and keeps nothing of it. */
  async send(
    asker: Asker,
    operation: Operation,
    path: string,
    wish: Pick<Wish, 'body' | 'bytes' | 'contentType'>,
  ): Promise<ClientExchange> {
    const { body, bytes, contentType } = wish
    const headers = new Headers(asker instanceof TestUser ? { authorization: `Bearer ${asker.token}` } : {})
    const sent = bytes ?? (body === undefined ? undefined : JSON.stringify(body))
    if (sent !== undefined)
      headers.set('content-type', contentType ?? (bytes === undefined ? 'application/json' : 'application/octet-stream'))
    const url = new URL(`http://node.test${path}`)
    return this.sendRequest(
      asker,
      operation,
      new Request(url, { method: operation.method, headers, ...(sent === undefined ? {} : { body: sent }) }),
      body,
    )
  }

  async sendRequest(asker: Asker, operation: Operation, request: Request, requestBody: unknown): Promise<ClientExchange> {
    const node = asker instanceof TestUser ? asker.node : asker
    const response = await this.world.finish(node.clientApi(request))
    const contentType = response.headers.get('content-type') ?? ''
    const text = await this.world.finish(response.text())
    return {
      operation,
      asker,
      method: request.method,
      url: new URL(request.url),
      requestBody,
      status: response.status,
      contentType,
      headers: response.headers,
      text,
      responseBody: contentType.startsWith('application/json') ? parsed(text) : text,
    }
  }

  /** A state of things that takes others to come about. */
  async until(condition: () => Promise<boolean>, what: string): Promise<void> {
    await this.world.runUntil(condition, 60_000, what)
  }
}

function parsed(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text)
}

function filled({ id, path }: Operation, values: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${id} needs ${name}`)
    return encodeURIComponent(value)
  })
}

function queryOf({ query = {} }: Wish): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)]))
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

/** First without proof, which is refused with the ways to prove it, then with the user's password. */
export async function withPassword(
  contract: ClientContract,
  user: TestUser,
  id: string,
  body: object,
  path: Readonly<Record<string, string>> = {},
  password = PASSWORD,
): Promise<Json> {
  const { session } = await contract.ask(user, id, { path, body }, 401)
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: user.userId }, password, session }
  return contract.ask(user, id, { path, body: { ...body, auth } })
}
