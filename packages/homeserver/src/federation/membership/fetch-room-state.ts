import { type EventId, eventIdOf, type Pdu, type RoomId, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Rooms, StateBeforeInput } from '../../rooms/index.ts'
import { parseEventIds, parsePdus } from '../fetch/parse-pdus.ts'
import type { PeerClient } from '../peer-client.ts'

const FEDERATION = '/_matrix/federation/v1'

export interface FetchRoomStateParts {
  readonly client: PeerClient
  readonly rooms: Rooms
}

/** A state before an event, by the ids in it, and who told it. */
export interface ToldState {
  readonly stateIds: readonly EventId[]
  readonly servers: readonly ServerName[]
}

/**
 * What these servers say the state before an event is, the most credible first. Nobody can prove that a state leaves nobody out, so
 * several are asked, until two say the same; where no two do, the first has the word.
 */
export async function askForState(
  parts: FetchRoomStateParts,
  question: { readonly roomId: RoomId; readonly eventId: EventId },
  servers: readonly ServerName[],
  signal: AbortSignal,
): Promise<ToldState[]> {
  const told = new Map<string, { stateIds: readonly EventId[]; servers: ServerName[] }>()
  const path = `${FEDERATION}/state_ids/${encodeURIComponent(question.roomId)}?event_id=${encodeURIComponent(question.eventId)}`
  for (const server of servers) {
    const answer = await parts.client.call(server, { method: 'GET', path, timeoutMs: limits.implementation.joinTimeoutMs }, signal)
    const stateIds = answer.kind === 'ok' ? parseEventIds(answer.body['pdu_ids'], limits.implementation.stateEventsMax) : undefined
    if (stateIds === undefined) continue
    const name = stateIds.toSorted().join()
    const same = told.get(name)
    if (same !== undefined)
      return [{ ...same, servers: [...same.servers, server] }, ...[...told.values()].filter((other) => other !== same)]
    told.set(name, { stateIds, servers: [server] })
  }
  return [...told.values()]
}

/** The events of such a state, from one of those who told it. Undefined when none of them brings all that is not stored here. */
export async function fetchToldState(
  parts: FetchRoomStateParts,
  question: { readonly roomId: RoomId; readonly eventId: EventId; readonly version: RoomVersion },
  { stateIds, servers }: ToldState,
  signal: AbortSignal,
): Promise<StateBeforeInput | undefined> {
  const stored = await parts.rooms.events(stateIds)
  const lacking = new Set(stateIds.filter((_, index) => stored[index] === undefined))
  if (lacking.size === 0) return { stateIds, events: [] }
  const path = `${FEDERATION}/state/${encodeURIComponent(question.roomId)}?event_id=${encodeURIComponent(question.eventId)}`
  for (const server of servers) {
    const answer = await parts.client.call(server, { method: 'GET', path, timeoutMs: limits.implementation.joinTimeoutMs }, signal)
    if (answer.kind !== 'ok') continue
    const state = parsePdus(answer.body['pdus'], question.version, limits.implementation.stateEventsMax)
    const chain = parsePdus(answer.body['auth_chain'], question.version, limits.implementation.stateEventsMax)
    if (state === undefined || chain === undefined || !lacking.isSubsetOf(new Set(state.keys()))) continue
    return { stateIds, events: await unknownOf(parts.rooms, question.version, [...chain.values(), ...state.values()]) }
  }
  return undefined
}

async function unknownOf(rooms: Rooms, version: RoomVersion, pdus: readonly Pdu[]): Promise<Pdu[]> {
  const stored = await rooms.events(pdus.map((pdu) => eventIdOf(pdu, version)))
  return pdus.filter((_, index) => stored[index] === undefined)
}
