import type { EventId, Pdu, RoomId, RoomVersion, ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { PeerNetwork } from '../../ports/peer-network.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { PeerClient } from '../peer-client.ts'
import type { Allowance } from './fetch-budgets.ts'
import { parsePdus } from './parse-pdus.ts'

const FEDERATION = '/_matrix/federation/v1'

export interface FetchParts {
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly network: PeerNetwork
  readonly serverName: ServerName
}

/** Gets events that this server lacks from whoever has them. What comes back is well-formed and otherwise unchecked. */
export class FetchEvents {
  readonly #parts: FetchParts

  constructor(parts: FetchParts) {
    this.#parts = parts
  }

  /** What this server has of the events before `latest`, back to what is known here, and of the `wanted` ones; undefined without an answer. */
  async missing(
    server: ServerName,
    roomId: RoomId,
    input: { readonly latest: readonly EventId[]; readonly wanted: ReadonlySet<EventId> },
    allowance: Allowance,
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu> | undefined> {
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return undefined
    const before = await this.#missingEvents(server, roomId, version, input.latest, allowance, signal)
    if (before === undefined) return undefined
    const lacking = [...input.wanted].filter((eventId) => !before.has(eventId))
    const singly = await this.#eventsOneByOne(server, version, lacking, allowance, signal)
    return new Map([...before, ...singly])
  }

  /** Single events, from these servers only, one after the other until all are found. */
  async events(
    roomId: RoomId,
    eventIds: readonly EventId[],
    servers: readonly ServerName[],
    allowance: Allowance,
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const version = this.#parts.rooms.version(roomId)
    const found = new Map<EventId, Pdu>()
    if (version === undefined) return found
    for (const server of servers) {
      const lacking = eventIds.filter((eventId) => !found.has(eventId))
      if (lacking.length === 0) break
      for (const [eventId, pdu] of await this.#eventsOneByOne(server, version, lacking, allowance, signal)) found.set(eventId, pdu)
    }
    return found
  }

  /** Undefined when the server cannot be reached. */
  async #missingEvents(
    server: ServerName,
    roomId: RoomId,
    version: RoomVersion,
    latest: readonly EventId[],
    allowance: Allowance,
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu> | undefined> {
    const { extremitiesPerRoomMax, missingEventsPerRequestMax, fetchRequestTimeoutMs: timeoutMs } = limits.implementation
    const body = {
      // What is asked about is no place to stop at.
      earliest_events: this.#parts.rooms
        .extremities(roomId)
        .filter((eventId) => !latest.includes(eventId))
        .slice(0, extremitiesPerRoomMax),
      latest_events: latest.slice(0, extremitiesPerRoomMax),
      limit: missingEventsPerRequestMax,
      min_depth: 0,
    }
    if (body.latest_events.length === 0 || !allowance()) return new Map()
    const path = `${FEDERATION}/get_missing_events/${encodeURIComponent(roomId)}`
    const answer = await this.#parts.client.call(server, { method: 'POST', path, body, timeoutMs }, signal)
    if (answer.kind === 'unreachable') return undefined
    const events = answer.kind === 'ok' ? answer.body['events'] : undefined
    return parsePdus(events, version, missingEventsPerRequestMax) ?? new Map()
  }

  async #eventsOneByOne(
    server: ServerName,
    version: RoomVersion,
    eventIds: readonly EventId[],
    allowance: Allowance,
    signal: AbortSignal,
  ): Promise<Map<EventId, Pdu>> {
    const found = new Map<EventId, Pdu>()
    const { eventsFetchedSinglyMax, fetchRequestTimeoutMs: timeoutMs } = limits.implementation
    for (const eventId of eventIds.slice(0, eventsFetchedSinglyMax)) {
      if (!allowance()) break
      const path = `${FEDERATION}/event/${encodeURIComponent(eventId)}`
      const answer = await this.#parts.client.call(server, { method: 'GET', path, timeoutMs }, signal)
      if (answer.kind === 'unreachable') break
      const pdu = answer.kind === 'ok' ? parsePdus(answer.body['pdus'], version, 1)?.get(eventId) : undefined
      if (pdu !== undefined) found.set(eventId, pdu)
    }
    return found
  }
}
