import {
  authTypesFor,
  type EventId,
  eventIdOf,
  type JsonObject,
  parseEventId,
  type Pdu,
  type RoomId,
  roomVersion,
  type RoomVersion,
  type StateKey,
  stateKeyOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { Client } from './client.ts'
import type { GeneratedServer } from './generated-server.ts'
import type { LoopbackNetwork } from './loopback-network.ts'

export interface Member {
  readonly server: GeneratedServer
  readonly userId: UserId
}

interface ClientEvent {
  readonly type: string
  readonly state_key?: string
  readonly event_id: string
  readonly content: JsonObject
}

const eventsPerTransaction = 50
let transactions = 0

/** Writes events of generated servers' users, one after the other, into a room that a node made. */
export class RoomAuthor {
  /** @param client in the room, in which nothing has branched and all is on one page of history. */
  static async open(client: Client, roomId: string): Promise<RoomAuthor> {
    const events = (await client.call('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages?dir=f&limit=1000`))['chunk'] as ClientEvent[]
    const create = events.find(({ type }) => type === 'm.room.create')
    const version = roomVersion(create?.content['room_version'])
    if (version === undefined) throw new Error('the room has no version that is known here')
    const author = new RoomAuthor(roomId as RoomId, version)
    for (const event of events) author.#follow(event)
    return author
  }

  readonly #roomId: RoomId
  readonly #version: RoomVersion
  readonly #state = new Map<StateKey, EventId>()
  #head: EventId | undefined
  #depth = 0

  private constructor(roomId: RoomId, version: RoomVersion) {
    this.#roomId = roomId
    this.#version = version
  }

  async write({ server, userId }: Member, type: string, content: JsonObject, stateKey?: string): Promise<Pdu> {
    if (this.#head === undefined) throw new Error('the room is empty')
    const shape = { type, sender: userId, content, ...(stateKey === undefined ? {} : { state_key: stateKey }) }
    const authEvents = authTypesFor(shape, this.#version).flatMap((key) => this.#state.get(stateKeyOf(key.type, key.stateKey)) ?? [])
    const pdu = await server.sign(
      {
        ...shape,
        room_id: this.#roomId,
        origin_server_ts: Date.now(),
        depth: this.#depth + 1,
        prev_events: [this.#head],
        auth_events: authEvents,
      },
      this.#version,
    )
    this.#follow({ ...shape, event_id: eventIdOf(pdu, this.#version) })
    return pdu
  }

  /** After the node itself has sent this many events in a row. */
  async followOwn(client: Client, count: number): Promise<void> {
    const path = `/v3/rooms/${encodeURIComponent(this.#roomId)}/messages?dir=b&limit=${count}`
    for (const event of ((await client.call('GET', path))['chunk'] as ClientEvent[]).toReversed()) this.#follow(event)
  }

  #follow(event: Omit<ClientEvent, 'content'>): void {
    const eventId = parseEventId(event.event_id)
    if (eventId === undefined) throw new Error('an event without an id')
    this.#head = eventId
    this.#depth += 1
    if (event.state_key !== undefined) this.#state.set(stateKeyOf(event.type, event.state_key), eventId)
  }
}

/** Gives a node events as the servers of their senders would, 50 at a time. @returns how long it took, in ms. */
export async function deliver(network: LoopbackNetwork, pdus: readonly Pdu[], { name: origin }: GeneratedServer): Promise<number> {
  let took = 0
  for (let from = 0; from < pdus.length; from += eventsPerTransaction) {
    const body = JSON.stringify({ origin, origin_server_ts: Date.now(), pdus: pdus.slice(from, from + eventsPerTransaction) })
    const url = `matrix://node/_matrix/federation/v1/send/generated-${transactions++}`
    const request = new Request(url, { method: 'PUT', body, headers: { 'content-type': 'application/json' } })
    const startedAt = performance.now()
    const response = await network.receive(origin, request)
    took += performance.now() - startedAt
    const answer = (await response.json()) as { readonly pdus?: Record<string, { readonly error?: string }> }
    const [refused] = Object.values(answer.pdus ?? { '': { error: JSON.stringify(answer) } }).filter(({ error }) => error !== undefined)
    if (refused !== undefined) throw new Error(`a generated event was refused: ${refused.error}`)
  }
  return took
}

/** Lets that many users join, spread over these servers. */
export async function addMembers(
  author: RoomAuthor,
  network: LoopbackNetwork,
  servers: readonly GeneratedServer[],
  count: number,
  prefix: string,
): Promise<Member[]> {
  const members: Member[] = []
  const joins: Pdu[] = []
  for (let index = 0; index < count; index++) {
    const server = servers[index % servers.length]
    if (server === undefined) throw new Error('members need servers')
    const member = { server, userId: server.user(`${prefix}${index}`) }
    members.push(member)
    joins.push(await author.write(member, 'm.room.member', { membership: 'join', displayname: `Member ${index}` }, member.userId))
  }
  const [first] = servers
  if (first !== undefined) await deliver(network, joins, first)
  return members
}
