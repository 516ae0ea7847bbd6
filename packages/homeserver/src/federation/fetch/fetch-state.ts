import { type EventId, type JsonObject, type RoomId, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { StateBeforeInput } from '../../rooms/index.ts'
import type { Allowance } from './fetch-budgets.ts'
import type { FetchEvents, FetchParts } from './fetch-events.ts'
import { parseEventIds, parsePdus } from './parse-pdus.ts'
import { serversToAsk } from './servers-to-ask.ts'

const FEDERATION = '/_matrix/federation/v1'

export interface StateQuestion {
  readonly roomId: RoomId
  /** The event whose state before it is asked for. */
  readonly eventId: EventId
  /** The server of its sender: it has most to gain from a lie, and counts only when nobody else answers. */
  readonly author: ServerName
  /** Who brought the event: it need not be in the room any more, and counts only when no other member answers. */
  readonly source: ServerName
  /** Whether the word of one of those two may do when it is the only one. */
  readonly believesOneAlone: boolean
}

/** One answer, and who gave it. */
interface Told {
  readonly stateIds: readonly EventId[]
  readonly chainIds: readonly EventId[]
  readonly servers: ServerName[]
}

/**
 * Gets the state before an event, for a gap that is too large to be filled.
 *
 * Nobody can prove a state, only the events in it. So several servers are asked: the first answer that two give is believed; else the
 * one of the first server that is not the author's. To a server that was put out of the room only who told it of that answers.
 * What is believed must still be whole, and each event in it is verified and authorised by whoever stores it.
 */
export class FetchState {
  readonly #parts: FetchParts
  readonly #events: FetchEvents

  constructor(parts: FetchParts, events: FetchEvents) {
    this.#parts = parts
    this.#events = events
  }

  async before(question: StateQuestion, allowance: Allowance, signal: AbortSignal): Promise<StateBeforeInput | undefined> {
    const version = this.#parts.rooms.version(question.roomId)
    if (version === undefined) return undefined
    for (const told of await this.#askAll(question, allowance, signal)) {
      const whole = await this.#complete(told, question, version, allowance, signal)
      if (whole !== undefined) return whole
    }
    return undefined
  }

  /** The different answers, the most credible first. */
  async #askAll(question: StateQuestion, allowance: Allowance, signal: AbortSignal): Promise<Told[]> {
    const { author, source, roomId } = question
    const members = serversToAsk(this.#parts, roomId, [], new Set([author]))
    const answers = new Map<string, Told>()
    for (const server of new Set([...members, source, author])) {
      const isLastResort = !members.includes(server)
      // They are not asked for what others said.
      if (server === this.#parts.serverName || (isLastResort && answers.size > 0)) continue
      if (isLastResort && !question.believesOneAlone && !(server === author && this.#isAmongTwo(roomId))) continue
      const told = await this.#askOne(server, question, allowance, signal)
      if (told === undefined) continue
      const key = [...told.stateIds].sort().join()
      const same = answers.get(key)
      if (same !== undefined) {
        same.servers.push(server)
        return [same, ...[...answers.values()].filter((other) => other !== same)]
      }
      answers.set(key, told)
    }
    return [...answers.values()]
  }

  /** Where nobody but the author is left, its lie could make nobody disagree with this server. */
  #isAmongTwo(roomId: RoomId): boolean {
    return (this.#parts.rooms.state(roomId)?.joinedServers().size ?? 0) <= 2
  }

  async #askOne(server: ServerName, { roomId, eventId }: StateQuestion, allowance: Allowance, signal: AbortSignal) {
    const path = `${FEDERATION}/state_ids/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(eventId)}`
    const ids = await this.#ask(server, path, allowance, signal)
    const stateIds = parseEventIds(ids?.['pdu_ids'], limits.implementation.stateEventsMax)
    const chainIds = parseEventIds(ids?.['auth_chain_ids'], limits.implementation.stateEventsMax)
    return stateIds === undefined || chainIds === undefined ? undefined : { stateIds, chainIds, servers: [server] }
  }

  /** The answer with the events that are not stored here; undefined when those who gave it cannot or will not bring them all. */
  async #complete(
    { stateIds, chainIds, servers }: Told,
    question: StateQuestion,
    version: RoomVersion,
    allowance: Allowance,
    signal: AbortSignal,
  ): Promise<StateBeforeInput | undefined> {
    const all = [...new Set([...stateIds, ...chainIds])]
    const stored = await this.#parts.rooms.events(all)
    const lacking = all.filter((_, index) => stored[index] === undefined)
    const { roomId, eventId } = question
    if (lacking.length <= limits.implementation.eventsFetchedSinglyMax) {
      const events = await this.#events.events(roomId, lacking, servers, allowance, signal)
      return events.size === lacking.length ? { stateIds, events: [...events.values()] } : undefined
    }
    for (const server of servers) {
      const path = `${FEDERATION}/state/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(eventId)}`
      const whole = await this.#ask(server, path, allowance, signal)
      const state = parsePdus(whole?.['pdus'], version, limits.implementation.stateEventsMax)
      const chain = parsePdus(whole?.['auth_chain'], version, limits.implementation.stateEventsMax)
      if (state === undefined || chain === undefined) continue
      const needed = lacking.flatMap((id) => chain.get(id) ?? state.get(id) ?? [])
      if (needed.length === lacking.length) return { stateIds, events: needed }
    }
    return undefined
  }

  async #ask(server: ServerName, path: string, allowance: Allowance, signal: AbortSignal): Promise<JsonObject | undefined> {
    if (!allowance()) return undefined
    const timeoutMs = limits.implementation.fetchStateTimeoutMs
    const answer = await this.#parts.client.call(server, { method: 'GET', path, timeoutMs }, signal)
    return answer.kind === 'ok' ? answer.body : undefined
  }
}
