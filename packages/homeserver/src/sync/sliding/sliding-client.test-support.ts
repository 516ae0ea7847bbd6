import type { Json, Reply, TestUser } from '../../client-api/test-node.test-support.ts'

const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync'

export const allExtensions = {
  to_device: { enabled: true },
  e2ee: { enabled: true },
  account_data: { enabled: true },
  receipts: { enabled: true },
  typing: { enabled: true },
}

export function oneList(config: object = {}): object {
  return { lists: { all: { ranges: [[0, 99]], timeline_limit: 10, required_state: [['*', '*']], ...config } } }
}

/** A connection as a client keeps it: it sends back the position of the last answer. */
export class SlidingClient {
  readonly user: TestUser
  readonly id: string
  pos: string | undefined

  constructor(user: TestUser, id = 'main') {
    this.user = user
    this.id = id
  }

  async call(body: object, { timeout = 0, pos = this.pos, signal }: Options = {}): Promise<Reply> {
    const query = new URLSearchParams({ timeout: String(timeout), ...(pos === undefined ? {} : { pos }) })
    return this.user.call('POST', `${path}?${query}`, { conn_id: this.id, ...body }, signal)
  }

  async sync(body: object = oneList(), options: Options = {}): Promise<Json> {
    const reply = await this.call(body, options)
    if (reply.status !== 200) throw new Error(`${reply.status} ${JSON.stringify(reply.body)}`)
    this.pos = reply.body.pos
    return reply.body
  }
}

interface Options {
  readonly timeout?: number
  readonly pos?: string | undefined
  readonly signal?: AbortSignal
}
