import {
  encodeBase64Url,
  type EventId,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  makeUserId,
  type Pdu,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type ServerName,
  type UserId,
} from '@kith/matrix-protocol'
import type { SimulatedPeerNetwork } from '../simulated-network.ts'
import type { SimulatedWorld, WorldIdentity } from '../simulated-world.ts'
import { HostileRoom } from './hostile-room.ts'

/** A request that another server made. */
export interface Asked {
  readonly origin: ServerName
  readonly method: string
  /** Without `/_matrix/federation`, and decoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly body: JsonObject
}

/** Undefined: not answered by this one. */
export type Answering = (asked: Asked) => Promise<Response | undefined> | Response | undefined

export interface Answer {
  readonly status: number
  readonly body: JsonObject
}

const PREFIX = '/_matrix/federation'
const VERSIONS = Array.from({ length: 12 }, (_, index) => `ver=${index + 1}`).join('&')
const never = new AbortController().signal

/**
 * A server with a real identity that speaks federation by hand: it can join a room as any server does, and from then on builds, signs,
 * sends and answers what it likes. By itself it takes every transaction and knows nothing.
 */
export class HostileServer {
  readonly identity: WorldIdentity
  readonly user: UserId
  /** Everything that it was asked, oldest first. */
  readonly asked: Asked[] = []
  readonly network: SimulatedPeerNetwork
  readonly #world: SimulatedWorld
  #answerings: Answering[] = []
  #transactions = 0

  constructor(world: SimulatedWorld, localpart: string) {
    this.#world = world
    this.identity = world.createIdentity()
    this.user = makeUserId(localpart, this.identity.server)
    this.network = world.network.node(this.identity.server)
    this.network.serve((origin, request) => this.#serve(origin, request))
  }

  get server(): ServerName {
    return this.identity.server
  }

  async start(): Promise<this> {
    await this.network.start(never)
    return this
  }

  /** The newest way of answering is tried first. */
  answering(answering: Answering): void {
    this.#answerings = [answering, ...this.#answerings]
  }

  /** How often it was asked for paths that begin so. */
  askedCount(prefix: string): number {
    return this.asked.filter(({ path }) => path.startsWith(prefix)).length
  }

  /** Lets time pass until the answer is there. `path` without `/_matrix/federation`; parts encoded. */
  async call(to: ServerName, method: string, path: string, body?: JsonValue): Promise<Answer> {
    return this.#world.finish(this.callLater(to, method, path, body))
  }

  /** The same for several at a time: somebody else must let time pass. */
  async callLater(to: ServerName, method: string, path: string, body?: JsonValue): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const request = new Request(`https://${to}${PREFIX}${path}`, { method, ...(body === undefined ? {} : { body: text }) })
    const response = await this.network.request(to, request, never)
    const answer: unknown = await response.json()
    return { status: response.status, body: isJsonObject(answer) ? answer : {} }
  }

  /** Joins a room by way of a server in it, as the protocol has it. */
  async join(resident: ServerName, roomId: RoomId): Promise<HostileRoom> {
    const made = await this.call(resident, 'GET', `/v1/make_join/${part(roomId)}/${part(this.user)}?${VERSIONS}`)
    const version = typeof made.body['room_version'] === 'string' ? roomVersion(made.body['room_version']) : undefined
    if (version === undefined) throw new Error(`make_join: ${made.status} ${JSON.stringify(made.body)}`)
    const { origin: _origin, ...template } = made.body['event'] as JsonObject
    const room = new HostileRoom({ roomId, version, user: this.user, crypto: this.identity.crypto, clock: this.#world.clock })
    const event = await room.sign({ ...(template as unknown as Pdu), origin_server_ts: this.#world.clock.now() })
    const path = `/v2/send_join/${part(roomId)}/${part(event.eventId)}`
    const sent = await this.call(resident, 'PUT', path, event.pdu as unknown as JsonValue)
    if (sent.status !== 200) throw new Error(`send_join: ${sent.status} ${JSON.stringify(sent.body)}`)
    room.joined(event, sent.body)
    return room
  }

  /** Sends a transaction. `members`: further ones, or others in place of the usual. */
  send(
    to: ServerName,
    pdus: readonly (JsonValue | Pdu)[],
    edus: readonly JsonObject[] = [],
    members: JsonObject & { readonly txnId?: string } = {},
  ): Promise<Answer> {
    return this.#world.finish(this.sendLater(to, pdus, edus, members))
  }

  sendLater(
    to: ServerName,
    pdus: readonly (JsonValue | Pdu)[],
    edus: readonly JsonObject[] = [],
    { txnId = `t${this.#transactions++}`, ...members }: JsonObject & { readonly txnId?: string } = {},
  ): Promise<Answer> {
    const body = { origin: this.server, origin_server_ts: this.#world.clock.now(), pdus: pdus as readonly JsonValue[], edus, ...members }
    return this.callLater(to, 'PUT', `/v1/send/${part(txnId)}`, body)
  }

  /** An id that no event has. */
  inventEventId(version: RoomVersion): EventId {
    const random = encodeBase64Url(this.#world.random.bytes(32))
    return (version.eventIds === 'given' ? `$${random}:${this.server}` : `$${random}`) as EventId
  }

  async #serve(origin: ServerName, request: Request): Promise<Response> {
    const url = new URL(request.url)
    const body: unknown = request.body === null ? {} : await request.json().catch(() => ({}))
    const path = decodeURIComponent(url.pathname.slice(PREFIX.length))
    const asked = { origin, method: request.method, path, query: url.searchParams, body: isJsonObject(body) ? body : {} }
    this.asked.push(asked)
    for (const answering of this.#answerings) {
      const response = await answering(asked)
      if (response !== undefined) return response
    }
    if (path.startsWith('/v1/send/')) return Response.json({ pdus: {} })
    return Response.json({ errcode: 'M_NOT_FOUND', error: 'Nothing here' }, { status: 404 })
  }
}

function part(text: string): string {
  return encodeURIComponent(text)
}
