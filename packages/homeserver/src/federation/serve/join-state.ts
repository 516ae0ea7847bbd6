import { authEventIdsOf, type EventId, type JsonObject, ownString, type Pdu, type ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { RoomState, StoredEvent } from '../../rooms/index.ts'
import { pduJson } from '../transaction.ts'
import type { ReceivedMember } from './receive-member.ts'
import type { ServeParts } from './serve-parts.ts'

/** The whole room, for whoever has just joined it: the state before the join and all that it rests on. */
export async function answerToJoin(parts: ServeParts, joined: ReceivedMember): Promise<JsonObject> {
  const state = await stateBefore(parts, joined)
  const events = [...state.entries()]
  const chain = await authChainOf(parts, events, joined.pdu)
  return { ...common(parts, joined), members_omitted: false, state: toJson(events), auth_chain: toJson(chain) }
}

/**
 * The room without those of its members whom nobody needs at first. The rest is fetched by state_ids and state. What is part of the state
 * is not repeated in the auth chain.
 */
export async function answerToPartialJoin(parts: ServeParts, joined: ReceivedMember): Promise<JsonObject> {
  const state = await stateBefore(parts, joined)
  // A small room is told whole: the rest would take one more question.
  if ([...state.members()].length <= limits.implementation.joinMembersWholeMax) return answerToJoin(parts, joined)
  const needed = neededMembers(state, joined.pdu)
  const events = [...state.entries()].filter(({ pdu }) => pdu.type !== 'm.room.member' || needed.has(pdu.state_key ?? ''))
  const given = new Set(events.map(({ eventId }) => eventId))
  const chain = (await authChainOf(parts, events, joined.pdu)).filter(({ eventId }) => !given.has(eventId))
  return {
    ...common(parts, joined),
    members_omitted: true,
    servers_in_room: serversBefore(state, parts.serverName),
    state: toJson(events),
    auth_chain: toJson(chain),
  }
}

function common(parts: ServeParts, { pdu }: ReceivedMember): JsonObject {
  return { origin: parts.serverName, event: pduJson(pdu) }
}

async function stateBefore(parts: ServeParts, { eventId }: ReceivedMember): Promise<RoomState> {
  const state = await parts.rooms.stateBefore(eventId)
  if (state === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The state at this join is not known here')
  return state
}

/** The auth chains of the state and of the join, with the auth events of the join themselves. */
async function authChainOf(parts: ServeParts, state: readonly StoredEvent[], join: Pdu): Promise<StoredEvent[]> {
  const cited = authEventIdsOf(join)
  const chain = await parts.rooms.authChain([...state.map(({ eventId }) => eventId), ...cited])
  if (chain === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'The room is too large for this server')
  const found = new Map<EventId, StoredEvent>(chain.map((event) => [event.eventId, event]))
  for (const event of await parts.rooms.events(cited)) if (event !== undefined) found.set(event.eventId, event)
  return [...found.values()]
}

/** Who joins, who vouches for them, and those whose names stand for the room's where it has none. */
function neededMembers(state: RoomState, join: Pdu): Set<string> {
  const needed = new Set<string>([join.sender])
  const voucher = ownString(join.content, 'join_authorised_via_users_server')
  if (voucher !== undefined) needed.add(voucher)
  if (state.get('m.room.name', '') !== undefined || state.get('m.room.canonical_alias', '') !== undefined) return needed
  const heroesMax = needed.size + limits.implementation.syncHeroesMax
  for (const wanted of ['join', 'invite', 'leave', 'ban'] as const) {
    for (const { userId } of state.members(wanted)) {
      if (needed.size >= heroesMax) return needed
      needed.add(userId)
    }
  }
  return needed
}

function serversBefore(state: RoomState, serverName: ServerName): ServerName[] {
  const servers = [...state.joinedServers()]
  // This one answers first; whoever cuts a long list short keeps it.
  return [serverName, ...servers.filter((server) => server !== serverName)].slice(0, limits.implementation.serversInRoomMax)
}

function toJson(events: readonly StoredEvent[]): JsonObject[] {
  return events.map(({ pdu }) => pduJson(pdu))
}
