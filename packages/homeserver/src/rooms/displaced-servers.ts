import { parseUserId, type ServerName, serverNameOf, stateKeyOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { memberOf } from './room-state.ts'
import type { RoomDraft } from './room-draft.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'
import type { DisplacedServer } from './tables.ts'

/**
 * The servers whose users are in the room no longer although no event says so: the event lies beside their joins, and the two together leave
 * those without their ground. Nobody else would tell these servers, which believe that they are inside.
 * @param lost servers whose last member the event took out.
 * @param addressed the server that the event's own told.
 */
export function displacedBy(
  { pdu }: StoredEvent,
  lost: ReadonlySet<ServerName>,
  addressed: ServerName | undefined,
  serverName: ServerName,
): Set<ServerName> {
  const displaced = new Set(lost)
  for (const server of [serverName, serverNameOf(pdu.sender), addressed]) if (server !== undefined) displaced.delete(server)
  return displaced
}

/** Of somebody who is turned away: the event's server tells theirs, if it knew of them. A ban may lie beside a join that it never heard of. */
export async function addressedByTurningAway(
  draft: Pick<RoomDraft, 'states' | 'event'>,
  { pdu }: StoredEvent,
  stateBefore: StateRoot,
): Promise<ServerName | undefined> {
  const userId = pdu.type === 'm.room.member' && pdu.sender !== pdu.state_key ? parseUserId(pdu.state_key) : undefined
  if (userId === undefined) return undefined
  const [eventId] = (await draft.states.lookUpMany(stateBefore, [stateKeyOf('m.room.member', userId)])).values()
  const member = eventId === undefined ? undefined : await draft.event(eventId)
  const membership = member === undefined ? undefined : memberOf(member)?.membership
  return membership === undefined || membership === 'leave' || membership === 'ban' ? undefined : serverNameOf(userId)
}

/** Those of a room, with others that the event displaced. */
export function withDisplaced(
  known: readonly DisplacedServer[] | undefined,
  servers: ReadonlySet<ServerName>,
  { pdu }: StoredEvent,
): readonly DisplacedServer[] | undefined {
  if (servers.size === 0) return known
  const others = known?.filter(({ server }) => !servers.has(server)) ?? []
  const added = Array.from(servers, (server) => ({ server, depth: pdu.depth }))
  return [...others, ...added].slice(-limits.implementation.displacedServersPerRoomMax)
}
