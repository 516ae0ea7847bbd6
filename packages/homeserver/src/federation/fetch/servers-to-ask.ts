import type { RoomId, ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { PeerNetwork } from '../../ports/peer-network.ts'
import type { Rooms } from '../../rooms/index.ts'

/**
 * Whom to ask about a room, best first: the preferred ones, then members that are connected now, then the other members. Bounded.
 * @param except those who were asked in vain.
 */
export function serversToAsk(
  parts: { readonly rooms: Pick<Rooms, 'state'>; readonly network: Pick<PeerNetwork, 'connections'>; readonly serverName: ServerName },
  roomId: RoomId,
  preferred: Iterable<ServerName>,
  except: ReadonlySet<ServerName> = new Set(),
): ServerName[] {
  const connected = new Set(parts.network.connections().map(({ server }) => server))
  const members = [...(parts.rooms.state(roomId)?.joinedServers() ?? [])]
  const servers = new Set([
    ...preferred,
    ...members.filter((server) => connected.has(server)),
    ...members.filter((server) => !connected.has(server)),
  ])
  servers.delete(parts.serverName)
  return [...servers.difference(except)].slice(0, limits.implementation.serversTriedMax)
}
