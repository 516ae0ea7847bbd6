import { type ServerName, serverNameOf, stateKeyOf } from '@kith/matrix-protocol'
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
 * @param aware servers that hear of it by the event itself.
 */
export function displacedBy(lost: ReadonlySet<ServerName>, aware: ReadonlySet<ServerName>, serverName: ServerName): Set<ServerName> {
  const displaced = new Set(lost).difference(aware)
  displaced.delete(serverName)
  return displaced
}

/**
 * Who knows what the event does before anybody here tells them: its own server, and the server of whom it turns away, to which its own sent
 * it and all that it follows. But the latter only where it follows the very membership that it ends. Else their join lies beside it: a ban
 * may never have heard of that, and whose own leave was given to another server need not know that it was taken.
 */
export async function awareOf(
  draft: Pick<RoomDraft, 'states' | 'current'>,
  event: StoredEvent,
  stateBefore: StateRoot,
): Promise<ReadonlySet<ServerName>> {
  const aware = new Set([serverNameOf(event.pdu.sender)])
  const member = memberOf(event)
  if (member === undefined || member.membership === 'join') return aware
  const { userId } = member
  const key = stateKeyOf('m.room.member', userId)
  const ended = draft.current.at(key)
  if (ended === undefined || memberOf(ended)?.membership !== 'join') return aware
  const [eventId] = (await draft.states.lookUpMany(stateBefore, [key])).values()
  if (eventId === ended.eventId) aware.add(serverNameOf(userId))
  else aware.delete(serverNameOf(userId))
  return aware
}

/** Those of a room, with others that the event displaced. */
export function withDisplaced(
  known: readonly DisplacedServer[] | undefined,
  servers: ReadonlySet<ServerName>,
  { eventId }: StoredEvent,
): readonly DisplacedServer[] | undefined {
  if (servers.size === 0) return known
  const others = known?.filter(({ server }) => !servers.has(server)) ?? []
  const added = Array.from(servers, (server) => ({ server, by: eventId }))
  return [...others, ...added].slice(-limits.implementation.displacedServersPerRoomMax)
}
