import { authEventIdsOf, type EventId, type Pdu, type RoomId, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { FetchEvents, FetchParts } from './fetch-events.ts'
import { parsePdus, sortParentsFirst } from './parse-pdus.ts'
import { reachableAuthChain, reachableHistory } from './reachable.ts'
import { serversToAsk } from './servers-to-ask.ts'

/** Fetches history older than `from` from members of the room and stores it. Answers how many events are new here. */
export async function backfill(
  parts: FetchParts & { readonly fetch: FetchEvents },
  roomId: RoomId,
  from: readonly EventId[],
  limit: number,
  signal: AbortSignal,
): Promise<number> {
  const version = parts.rooms.version(roomId)
  if (version === undefined || from.length === 0) return 0
  for (const server of serversToAsk(parts, roomId, [])) {
    const answered = await askForHistory(parts, server, roomId, version, from, limit, signal)
    // Only what hangs together with known events: else anybody could invent a past in which they were members.
    const pdus = reachableHistory(from, answered ?? new Map())
    if (pdus.size === 0) continue
    const authEvents = await fetchAuthEvents(parts, server, roomId, version, pdus, signal)
    const outcomes = await parts.rooms.appendHistory(roomId, sortParentsFirst(pdus), authEvents, signal)
    const stored = [...outcomes.values()].filter((outcome) => outcome.kind === 'accepted').length
    if (stored > 0) return stored
  }
  return 0
}

async function askForHistory(
  parts: FetchParts,
  server: ServerName,
  roomId: RoomId,
  version: RoomVersion,
  from: readonly EventId[],
  limit: number,
  signal: AbortSignal,
): Promise<Map<EventId, Pdu> | undefined> {
  const count = Math.min(Math.max(limit, 1), limits.implementation.backfillEventsMax)
  const query = new URLSearchParams(from.slice(0, limits.implementation.extremitiesPerRoomMax).map((eventId) => ['v', eventId]))
  query.set('limit', String(count))
  const path = `/_matrix/federation/v1/backfill/${encodeURIComponent(roomId)}?${query}`
  const answer = await parts.client.call(server, { method: 'GET', path }, signal)
  return answer.kind === 'ok' ? parsePdus(answer.body['pdus'], version, limits.implementation.backfillEventsMax) : undefined
}

/** The auth events that are neither stored nor part of the answer, with their own auth chains. */
async function fetchAuthEvents(
  parts: FetchParts,
  server: ServerName,
  roomId: RoomId,
  version: RoomVersion,
  pdus: ReadonlyMap<EventId, Pdu>,
  signal: AbortSignal,
): Promise<Pdu[]> {
  const found = new Map<EventId, Pdu>()
  for (const [eventId, pdu] of pdus) {
    const unknown = authEventIdsOf(pdu).filter((id) => !pdus.has(id) && !found.has(id))
    const stored = unknown.length === 0 ? [] : await parts.rooms.events(unknown)
    if (stored.every((event) => event !== undefined)) continue
    const path = `/_matrix/federation/v1/event_auth/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
    const answer = await parts.client.call(server, { method: 'GET', path }, signal)
    const chain = answer.kind === 'ok' ? parsePdus(answer.body['auth_chain'], version, limits.implementation.stateEventsMax) : undefined
    if (chain === undefined) break
    for (const [id, authEvent] of reachableAuthChain(unknown, chain)) found.set(id, authEvent)
  }
  return sortParentsFirst(found)
}
