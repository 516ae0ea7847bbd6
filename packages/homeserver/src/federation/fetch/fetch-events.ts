import { type EventId, type JsonValue, parseEventId, type Pdu, type RoomId, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { PeerNetwork } from '../../ports/peer-network.ts'
import type { Rooms, StateBeforeInput } from '../../rooms/index.ts'
import type { PeerCall, PeerClient } from '../peer-client.ts'
import { parsePdus } from './parse-pdus.ts'
import { serversToAsk } from './servers-to-ask.ts'

const FEDERATION = '/_matrix/federation/v1'

export interface FetchParts {
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly network: PeerNetwork
  readonly serverName: ServerName
}

/** Gets events and states that this server lacks from whoever has them. What comes back is well-formed and otherwise unchecked. */
export class FetchEvents {
  readonly #parts: FetchParts

  constructor(parts: FetchParts) {
    this.#parts = parts
  }

  /** Events before `latest`, back to what is known here, and the `wanted` ones. Empty when nobody could help. */
  async missing(
    roomId: RoomId,
    input: { readonly latest: readonly EventId[]; readonly wanted: ReadonlySet<EventId>; readonly preferred: Iterable<ServerName> },
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const version = this.#parts.rooms.version(roomId)
    const found = new Map<EventId, Pdu>()
    if (version === undefined) return found
    for (const server of serversToAsk(this.#parts, roomId, input.preferred)) {
      for (const [eventId, pdu] of await this.#missingEvents(server, roomId, version, input.latest, signal)) found.set(eventId, pdu)
      const lacking = [...input.wanted].filter((eventId) => !found.has(eventId))
      for (const [eventId, pdu] of await this.#eventsOneByOne(server, version, lacking, signal)) found.set(eventId, pdu)
      if (lacking.every((eventId) => found.has(eventId))) break
    }
    return found
  }

  /** Single events, from these servers only. */
  async events(
    roomId: RoomId,
    eventIds: readonly EventId[],
    servers: readonly ServerName[],
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const version = this.#parts.rooms.version(roomId)
    const found = new Map<EventId, Pdu>()
    if (version === undefined) return found
    for (const server of servers) {
      const lacking = eventIds.filter((eventId) => !found.has(eventId))
      if (lacking.length === 0) break
      for (const [eventId, pdu] of await this.#eventsOneByOne(server, version, lacking, signal)) found.set(eventId, pdu)
    }
    return found
  }

  /** The state before an event, for a gap that is too large to be filled. */
  async stateBefore(
    roomId: RoomId,
    eventId: EventId,
    preferred: Iterable<ServerName>,
    signal: AbortSignal,
  ): Promise<StateBeforeInput | undefined> {
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return undefined
    for (const server of serversToAsk(this.#parts, roomId, preferred)) {
      const state = await this.#stateBeforeFrom(server, roomId, eventId, version, signal)
      if (state !== undefined) return state
    }
    return undefined
  }

  async #stateBeforeFrom(
    server: ServerName,
    roomId: RoomId,
    eventId: EventId,
    version: RoomVersion,
    signal: AbortSignal,
  ): Promise<StateBeforeInput | undefined> {
    const query = `${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(eventId)}`
    const ids = await this.#ask(server, { method: 'GET', path: `${FEDERATION}/state_ids/${query}` }, signal)
    const stateIds = parseEventIds(ids?.['pdu_ids'])
    const chainIds = parseEventIds(ids?.['auth_chain_ids'])
    if (stateIds === undefined || chainIds === undefined) return undefined
    const all = [...new Set([...stateIds, ...chainIds])]
    const stored = await this.#parts.rooms.events(all)
    const lacking = all.filter((_, index) => stored[index] === undefined)
    if (lacking.length <= limits.implementation.eventsFetchedSinglyMax) {
      const events = await this.#eventsOneByOne(server, version, lacking, signal)
      return events.size === lacking.length ? { stateIds, events: [...events.values()] } : undefined
    }
    const whole = await this.#ask(server, { method: 'GET', path: `${FEDERATION}/state/${query}` }, signal)
    const state = parsePdus(whole?.['pdus'], version, limits.implementation.stateEventsMax)
    const chain = parsePdus(whole?.['auth_chain'], version, limits.implementation.stateEventsMax)
    if (state === undefined || chain === undefined) return undefined
    const events = new Map([...chain, ...state])
    const needed = lacking.flatMap((id) => events.get(id) ?? [])
    return needed.length === lacking.length ? { stateIds, events: needed } : undefined
  }

  async #missingEvents(
    server: ServerName,
    roomId: RoomId,
    version: RoomVersion,
    latest: readonly EventId[],
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const body = {
      earliest_events: this.#parts.rooms.extremities(roomId).slice(0, limits.implementation.extremitiesPerRoomMax),
      latest_events: latest.slice(0, limits.implementation.extremitiesPerRoomMax),
      limit: limits.implementation.missingEventsPerRequestMax,
      min_depth: 0,
    }
    if (body.latest_events.length === 0) return new Map()
    const path = `${FEDERATION}/get_missing_events/${encodeURIComponent(roomId)}`
    const answer = await this.#ask(server, { method: 'POST', path, body }, signal)
    return parsePdus(answer?.['events'], version, limits.implementation.missingEventsPerRequestMax) ?? new Map()
  }

  async #eventsOneByOne(
    server: ServerName,
    version: RoomVersion,
    eventIds: readonly EventId[],
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const found = new Map<EventId, Pdu>()
    for (const eventId of eventIds.slice(0, limits.implementation.eventsFetchedSinglyMax)) {
      const answer = await this.#client.call(server, { method: 'GET', path: `${FEDERATION}/event/${encodeURIComponent(eventId)}` }, signal)
      if (answer.kind === 'unreachable') break
      const pdu = answer.kind === 'ok' ? parsePdus(answer.body['pdus'], version, 1)?.get(eventId) : undefined
      if (pdu !== undefined) found.set(eventId, pdu)
    }
    return found
  }

  get #client(): PeerClient {
    return this.#parts.client
  }

  async #ask(server: ServerName, call: PeerCall, signal: AbortSignal) {
    const answer = await this.#client.call(server, call, signal)
    return answer.kind === 'ok' ? answer.body : undefined
  }
}

function parseEventIds(value: JsonValue | undefined): EventId[] | undefined {
  if (!Array.isArray(value) || value.length > limits.implementation.stateEventsMax) return undefined
  const ids = value.map((id: JsonValue) => parseEventId(id))
  return ids.every((id) => id !== undefined) ? ids : undefined
}
