import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { MemorySearchIndex } from '@kith/testkit/memory-search-index'
import { silentLog } from '@kith/testkit/silent-log'
import { SimulatedWorld, type WorldIdentity } from '@kith/testkit/simulated-world'
import { createHomeserver, type Homeserver, type HomeserverConfig } from '../homeserver.ts'
import type { Clock, Log, Ports } from '../ports/index.ts'
import { homeserverTableNames } from '../storage-schema.ts'

/** What a server answers, of whatever shape the test expects. */
export type Json = ReturnType<(typeof JSON)['parse']>

export interface Reply {
  readonly status: number
  readonly body: Json
}

/** A homeserver whose client API is called as a client would, on a disk that outlives it, alone in its world. */
export class TestNode {
  readonly world: SimulatedWorld
  readonly disk = new MemoryDisk()
  readonly identity: WorldIdentity
  log: Log = silentLog
  /** What not every node has. */
  optionalPorts: Partial<Ports> = {}
  /** Makes commits fail, as a full disk does. */
  storageFault: (() => void) | undefined
  #clock: Clock | undefined
  #homeserver: Homeserver | undefined

  constructor(world = new SimulatedWorld(7)) {
    this.world = world
    this.identity = world.createIdentity()
  }

  static async start({ clock, ...options }: Partial<HomeserverConfig> & { readonly clock?: Clock } = {}): Promise<TestNode> {
    const node = new TestNode()
    node.#clock = clock
    await node.start(options)
    return node
  }

  async start(config: Partial<HomeserverConfig> = {}): Promise<void> {
    const { clock, random } = this.world
    const network = this.world.network.node(this.identity.server)
    const faultPoint = (operation: 'write' | 'commit'): void => {
      if (operation === 'commit') this.storageFault?.()
    }
    const storage = openMemoryStorage({ disk: this.disk, tableNames: homeserverTableNames, faultPoint })
    const ports = {
      clock: this.#clock ?? clock,
      random,
      log: this.log,
      crypto: this.identity.crypto,
      storage,
      network,
      // New at each start, so that it is filled from the stream again.
      searchIndex: new MemorySearchIndex(),
      ...this.optionalPorts,
    }
    this.#homeserver = await createHomeserver(ports, { relays: [], openRegistration: true, passwordCostLog2: 2, ...config })
    await network.start(new AbortController().signal)
  }

  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]()
    await this.start()
  }

  get clientApi(): (request: Request) => Promise<Response> {
    if (this.#homeserver === undefined) throw new Error('the node is stopped')
    return this.#homeserver.clientApi
  }

  async call(method: string, path: string, body?: unknown, token?: string, signal?: AbortSignal): Promise<Reply> {
    const url = path.startsWith('/_matrix') || path.startsWith('/.well-known') ? path : `/_matrix/client/v3${path}`
    const request = new Request(`http://node.test${url}`, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
    const response = await this.clientApi(request)
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }

  async register(username: string, password?: string): Promise<TestUser> {
    const body = { username, auth: { type: 'm.login.dummy' }, ...(password === undefined ? {} : { password }) }
    return new TestUser(this, expectOk(await this.call('POST', '/register', body)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#homeserver?.[Symbol.asyncDispose]()
    this.#homeserver = undefined
  }
}

export class TestUser {
  readonly node: TestNode
  readonly userId: string
  readonly deviceId: string
  readonly token: string

  constructor(node: TestNode, login: { readonly user_id: string; readonly device_id: string; readonly access_token: string }) {
    this.node = node
    this.userId = login.user_id
    this.deviceId = login.device_id
    this.token = login.access_token
  }

  async call(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Reply> {
    return this.node.call(method, path, body, this.token, signal)
  }

  /** The body of an answer that must be 200. */
  async ok(method: string, path: string, body?: unknown): Promise<Json> {
    return expectOk(await this.call(method, path, body))
  }

  async createRoom(body: object = {}): Promise<string> {
    return (await this.ok('POST', '/createRoom', body)).room_id
  }

  async say(roomId: string, text: string, txnId = `t${Math.random()}`): Promise<string> {
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
    return (await this.ok('PUT', path, { msgtype: 'm.text', body: text })).event_id
  }

  async sync(since?: string, parameters: Record<string, string> = {}): Promise<Json> {
    const query = new URLSearchParams({ ...(since === undefined ? {} : { since }), ...parameters })
    return this.ok('GET', `/sync?${query}`)
  }
}

function expectOk(reply: Reply): Json {
  if (reply.status !== 200) throw new Error(`${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body
}
