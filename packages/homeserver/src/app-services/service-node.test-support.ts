import { isJsonObject, type JsonObject, ownString } from '@kith/matrix-protocol'
import { type Json, type Reply, TestNode } from '../client-api/test-node.test-support.ts'
import type { AppServiceAnswer, AppServiceCall } from '../ports/index.ts'
import type { AppServiceRegistration } from './registration.ts'

export const AS_TOKEN = 'token-of-the-bridge'
const HS_TOKEN = 'token-of-the-homeserver'

export function registrationOf(changes: Partial<AppServiceRegistration> = {}): AppServiceRegistration {
  return {
    id: 'bridge',
    url: 'http://bridge.test/base/',
    asToken: AS_TOKEN,
    hsToken: HS_TOKEN,
    senderLocalpart: 'bridge',
    namespaces: {
      users: [{ exclusive: true, matches: (id) => id.startsWith('@net_') }],
      aliases: [{ exclusive: true, matches: (id) => id.startsWith('#net_') }],
      rooms: [],
    },
    rateLimited: false,
    protocols: [],
    ephemeral: 'none',
    toDevice: false,
    ...changes,
  }
}

const taken: AppServiceAnswer = { kind: 'answered', status: 200, body: {}, text: '{}' }

/** An application service that remembers what it was told, as one must: what comes again under an id is not new. */
export class FakeService {
  readonly calls: AppServiceCall[] = []
  readonly transactions = new Map<string, JsonObject>()
  /** Transactions that came again under their id with something else in them. */
  readonly changed: string[] = []
  answer: (call: AppServiceCall) => AppServiceAnswer | Promise<AppServiceAnswer> = () => taken
  /** How many calls are being answered, and how many were at once. */
  underWay = 0
  atOnce = 0

  async request(call: AppServiceCall, signal: AbortSignal): Promise<AppServiceAnswer> {
    this.calls.push(call)
    this.underWay += 1
    this.atOnce = Math.max(this.atOnce, this.underWay)
    try {
      const { promise: stopped, reject } = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      signal.throwIfAborted()
      return await Promise.race([this.answer(call), stopped])
    } finally {
      this.underWay -= 1
    }
  }

  /** Takes a transaction, whatever is answered then. */
  take({ url, body }: AppServiceCall): void {
    const id = url.pathname.split('/').at(-1) ?? ''
    const earlier = this.transactions.get(id)
    if (earlier === undefined) this.transactions.set(id, body ?? {})
    else if (JSON.stringify(idsOf(earlier)) !== JSON.stringify(idsOf(body ?? {}))) this.changed.push(id)
  }

  get events(): Json[] {
    return [...this.transactions.values()].flatMap((body) => body['events'] as Json[])
  }

  get eventIds(): string[] {
    return [...this.transactions.values()].flatMap(idsOf)
  }
}

export function isTransaction({ url }: AppServiceCall): boolean {
  return url.pathname.includes('/transactions/')
}

/** A node with one application service, which takes everything. */
export async function startWithService(
  changes: Partial<AppServiceRegistration> = {},
  node = new TestNode(),
): Promise<{ node: TestNode; service: FakeService; registration: AppServiceRegistration }> {
  const service = new FakeService()
  service.answer = (call) => {
    if (isTransaction(call)) service.take(call)
    return taken
  }
  node.optionalPorts = { appServiceClient: service }
  const registration = registrationOf(changes)
  await node.start({ appServices: [registration], openRegistration: false })
  return { node, service, registration }
}

/** A request of the service, as its sender or as one of its users. */
export async function callAs(node: TestNode, user: string | undefined, method: string, path: string, body?: unknown): Promise<Reply> {
  if (user === undefined) return node.call(method, path, body, AS_TOKEN)
  const userId = `@${user}:${node.identity.server}`
  return node.call(method, `${path}${path.includes('?') ? '&' : '?'}user_id=${encodeURIComponent(userId)}`, body, AS_TOKEN)
}

export async function registerFor(node: TestNode, username: string): Promise<Reply> {
  return node.call('POST', '/register', { type: 'm.login.application_service', username, inhibit_login: true }, AS_TOKEN)
}

function idsOf(body: JsonObject): string[] {
  const events = body['events']
  return Array.isArray(events) ? events.filter(isJsonObject).map((event) => ownString(event, 'event_id') ?? '') : []
}
