import { parseUserId, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StoredEvent } from './stored-event.ts'
import type { DisplacedServer } from './tables.ts'

/**
 * The servers whose users are in the room no longer although no event says so: the event lies beside their joins, and the two together leave
 * those without their ground. Nobody else would tell these servers, which believe that they are inside.
 * @param lost servers whose last member the event took out.
 */
export function displacedBy({ pdu }: StoredEvent, lost: ReadonlySet<ServerName>, serverName: ServerName): Set<ServerName> {
  const displaced = new Set(lost)
  displaced.delete(serverName)
  displaced.delete(serverNameOf(pdu.sender))
  const member = pdu.type === 'm.room.member' ? parseUserId(pdu.state_key) : undefined
  if (member !== undefined) displaced.delete(serverNameOf(member))
  return displaced
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
