import type { Json } from './json.ts'
import { death, type WorldServer } from './world-node.ts'

/** What a client request came to. `lost`: the server died over it, so that nobody knows whether it was done. */
export type Reply = { readonly kind: 'answered'; readonly status: number; readonly body: Json } | { readonly kind: 'lost' }

const RETRY_MS = 2_000
const ATTEMPTS_MAX = 50

/** A user with one client, which speaks to its own server only. */
export class WorldUser {
  readonly name: string
  readonly server: WorldServer
  readonly userId: string
  readonly #token: string
  /** What the user does, one after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #queued = 0

  private constructor(name: string, server: WorldServer, login: { readonly user_id: string; readonly access_token: string }) {
    this.name = name
    this.server = server
    this.userId = login.user_id
    this.#token = login.access_token
  }

  static async register(name: string, server: WorldServer): Promise<WorldUser> {
    const reply = await call(server, undefined, 'POST', '/register', { username: name, auth: { type: 'm.login.dummy' } })
    if (reply.kind !== 'answered' || reply.status !== 200) throw new Error(`${name} could not register`)
    return new WorldUser(name, server, reply.body)
  }

  get isIdle(): boolean {
    return this.#queued === 0
  }

  /** One attempt. Waits while the server is off or asleep. */
  call(method: string, path: string, body?: object): Promise<Reply> {
    return call(this.server, this.#token, method, path, body)
  }

  /** @throws Error for anything but 200. */
  async ok(method: string, path: string, body?: object): Promise<Json> {
    const reply = await this.call(method, path, body)
    if (reply.kind !== 'answered' || reply.status !== 200) throw new Error(`${this.name}: ${method} ${path}: ${JSON.stringify(reply)}`)
    return reply.body
  }

  /** As clients do: the same request again, with the same transaction id, until there is a clear answer. */
  async insist(method: 'PUT' | 'GET', path: string, body?: object): Promise<Reply> {
    let reply: Reply = { kind: 'lost' }
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      reply = await this.call(method, path, body)
      if (reply.kind === 'answered' && reply.status !== 429 && reply.status < 500) return reply
      await this.server.world.clock.sleep(RETRY_MS, new AbortController().signal)
    }
    return reply
  }

  /** Runs after everything that the user began before. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#queued++
    const done = this.#queue.then(work)
    this.#queue = done.then(
      () => this.#queued--,
      () => this.#queued--,
    )
    return done
  }
}

async function call(server: WorldServer, token: string | undefined, method: string, path: string, body?: object): Promise<Reply> {
  const { program, process } = await server.running()
  const request = new Request(`http://${server.name}.test${path.startsWith('/_') ? path : `/_matrix/client/v3${path}`}`, {
    method,
    signal: server.end,
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const work = (async (): Promise<Reply> => {
    const response = await program.clientApi(request)
    await process.awake()
    return { kind: 'answered', status: response.status, body: await response.json() }
  })()
  return Promise.race([work, death(process.died).then((): Reply => ({ kind: 'lost' }))])
}
