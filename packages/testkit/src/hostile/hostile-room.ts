import type { Clock, Crypto } from '@kith/homeserver/ports'
import {
  addContentHash,
  authEventIdsOf,
  authTypesFor,
  type EventId,
  eventIdOf,
  eventSigningBytes,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parsePdu,
  type Pdu,
  prevEventIdsOf,
  referencesTo,
  type RoomId,
  type RoomVersion,
  serverNameOf,
  SIGNING_KEY_ID,
  type UnhashedPdu,
  type UserId,
  withSignature,
} from '@kith/matrix-protocol'

export interface HandmadeEvent {
  readonly eventId: EventId
  readonly pdu: Pdu
}

/** What is to be different from an honest event. */
export type EventWish = Partial<UnhashedPdu> & {
  readonly type: string
  readonly content: JsonObject
  /** Default: the newest event that is known. */
  readonly prev?: readonly HandmadeEvent[]
  /** Default: what this event must cite, as it is known. */
  readonly auth?: readonly HandmadeEvent[]
}

/** A room as a hostile server sees it: what it knows of the room's events, and the means to make any others. */
export class HostileRoom {
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly #user: UserId
  readonly #crypto: Crypto
  readonly #clock: Clock
  readonly #events = new Map<EventId, Pdu>()
  readonly #state = new Map<string, HandmadeEvent>()
  #newest: HandmadeEvent | undefined
  #made = 0

  constructor(input: {
    readonly roomId: RoomId
    readonly version: RoomVersion
    readonly user: UserId
    readonly crypto: Crypto
    readonly clock: Clock
  }) {
    this.roomId = input.roomId
    this.version = input.version
    this.#user = input.user
    this.#crypto = input.crypto
    this.#clock = input.clock
  }

  /** The newest event that this server built on or learnt. */
  get newest(): HandmadeEvent {
    if (this.#newest === undefined) throw new Error('The room was not joined')
    return this.#newest
  }

  /** All that it knows. */
  get events(): ReadonlyMap<EventId, Pdu> {
    return this.#events
  }

  stateEvent(type: string, stateKey: string): HandmadeEvent {
    const event = this.#state.get(`${type}\n${stateKey}`)
    if (event === undefined) throw new Error(`The room has no ${type}`)
    return event
  }

  /** `answer`: what came for the join. */
  joined(event: HandmadeEvent, answer: JsonObject): void {
    for (const name of ['auth_chain', 'state']) {
      const list = answer[name]
      if (Array.isArray(list)) for (const value of list) this.learn(value as JsonValue)
    }
    this.note(event)
  }

  /** Takes note of an event that somebody sent. */
  learn(value: JsonValue): void {
    const parsed = parsePdu(value, this.version)
    if (parsed.kind === 'ok') this.note({ eventId: eventIdOf(parsed.pdu, this.version), pdu: parsed.pdu })
  }

  note(event: HandmadeEvent): HandmadeEvent {
    this.#events.set(event.eventId, event.pdu)
    const { type, state_key: stateKey } = event.pdu
    if (stateKey !== undefined) this.#state.set(`${type}\n${stateKey}`, event)
    this.#newest = event
    return event
  }

  /** An event by the protocol's rules, as far as `wish` does not want it otherwise. Nobody hears of it. */
  async make({ prev = [this.newest], auth, ...wish }: EventWish): Promise<HandmadeEvent> {
    const sender = wish.sender ?? this.#user
    const cited = auth ?? this.#authEventsFor({ ...wish, sender })
    const depth = Math.min(Math.max(0, ...prev.map(({ pdu }) => pdu.depth)) + 1, Number.MAX_SAFE_INTEGER)
    return this.sign({
      room_id: this.roomId,
      sender,
      origin_server_ts: this.#clock.now(),
      depth,
      prev_events: referencesTo(prev, this.version),
      auth_events: referencesTo(cited, this.version),
      ...wish,
    })
  }

  message(body: string, wish: Partial<EventWish> = {}): Promise<HandmadeEvent> {
    return this.make({ type: 'm.room.message', content: { msgtype: 'm.text', body }, ...wish })
  }

  /** Hashes and signs with this server's key, whoever the sender is. */
  async sign(wished: UnhashedPdu): Promise<HandmadeEvent> {
    const hashed = addContentHash(this.#withId(wished), this.version)
    const signature = await this.#crypto.sign(eventSigningBytes(hashed, this.version))
    const pdu = withSignature(hashed, serverNameOf(this.#user), SIGNING_KEY_ID, signature)
    return { eventId: eventIdOf(pdu, this.version), pdu }
  }

  /** A chain of messages, oldest first, each upon the one before. */
  async chain(length: number, prev: readonly HandmadeEvent[] = [this.newest], wish: Partial<EventWish> = {}): Promise<HandmadeEvent[]> {
    const events: HandmadeEvent[] = []
    for (let count = 0; count < length; count++) {
      const before = events.at(-1)
      events.push(await this.message(`chain ${count}`, { ...wish, prev: before === undefined ? prev : [before] }))
    }
    return events
  }

  /** Answers get_missing_events, event, backfill, state_ids and state truly from these events, for events of this room. */
  answersFrom(
    events: ReadonlyMap<EventId, Pdu>,
  ): (asked: { path: string; query: URLSearchParams; body: JsonObject }) => Response | undefined {
    return ({ path, query, body }) => {
      if (path.startsWith('/v1/event/')) {
        const pdu = events.get(path.slice('/v1/event/'.length) as EventId)
        return pdu === undefined ? undefined : Response.json({ origin: serverNameOf(this.#user), origin_server_ts: 0, pdus: [pdu] })
      }
      if (path.startsWith('/v1/get_missing_events/')) {
        return Response.json({ events: walkBack(events, idsIn(body['latest_events']), idsIn(body['earliest_events']), 50) })
      }
      if (path.startsWith('/v1/backfill/')) {
        const from = idsIn(query.getAll('v'))
        const first = from.flatMap((eventId) => events.get(eventId) ?? [])
        return Response.json({ pdus: [...first, ...walkBack(events, from, [], 100)] })
      }
      if (path.startsWith('/v1/event_auth/')) {
        const eventId = path.split('/').at(-1) as EventId
        return Response.json({ auth_chain: authChain(events, [eventId]) })
      }
      return undefined
    }
  }

  /** In the first room versions an event says its own id. */
  #withId(event: UnhashedPdu): UnhashedPdu {
    if (this.version.eventIds !== 'given' || event.event_id !== undefined) return event
    return { ...event, event_id: `$${this.#made++}:${serverNameOf(this.#user)}` as EventId }
  }

  #authEventsFor(event: Pick<UnhashedPdu, 'type' | 'sender' | 'content' | 'state_key'>): HandmadeEvent[] {
    return authTypesFor(event, this.version).flatMap(({ type, stateKey }) => this.#state.get(`${type}\n${stateKey}`) ?? [])
  }
}

function idsIn(value: unknown): EventId[] {
  return Array.isArray(value) ? value.filter((id): id is EventId => typeof id === 'string') : []
}

function walkBack(events: ReadonlyMap<EventId, Pdu>, latest: readonly EventId[], earliest: readonly EventId[], countMax: number): Pdu[] {
  const seen = new Set([...latest, ...earliest])
  const found: Pdu[] = []
  let level = latest
  while (level.length > 0 && found.length < countMax) {
    const next = level.flatMap((eventId) => {
      const pdu = events.get(eventId)
      return pdu === undefined ? [] : prevEventIdsOf(pdu).filter((id) => !seen.has(id))
    })
    for (const eventId of next) seen.add(eventId)
    found.push(...next.flatMap((eventId) => events.get(eventId) ?? []))
    level = next
  }
  return found.slice(0, countMax)
}

function authChain(events: ReadonlyMap<EventId, Pdu>, start: readonly EventId[]): Pdu[] {
  const found = new Map<EventId, Pdu>()
  const waiting = start.flatMap((eventId) => {
    const pdu = events.get(eventId)
    return pdu === undefined ? [] : authEventIdsOf(pdu)
  })
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    const pdu = events.get(eventId)
    if (pdu === undefined || found.has(eventId)) continue
    found.set(eventId, pdu)
    waiting.push(...authEventIdsOf(pdu))
  }
  return [...found.values()]
}

/** The members of an event, so that a test can change some of them after signing. */
export function asJson(event: HandmadeEvent): JsonObject {
  const copy: unknown = structuredClone(event.pdu)
  return isJsonObject(copy) ? copy : {}
}
