import { parseUserId, type ServerName, serverNameOf, stateKeyOf } from '@kith/matrix-protocol'
import type { DraftCurrent } from './draft-current.ts'
import { memberOf } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

/** The servers that must hear of an event: those in the room before or after it, but for its own and this one, which know. */
export function destinationsOf(
  event: StoredEvent,
  joined: { readonly before: ReadonlySet<ServerName>; readonly after: ReadonlySet<ServerName>; readonly waiting: ReadonlySet<ServerName> },
  serverName: ServerName,
): Set<ServerName> {
  const destinations = joined.after.union(joined.before).union(joined.waiting)
  destinations.delete(serverName)
  destinations.delete(serverNameOf(event.pdu.sender))
  return destinations
}

/** Of somebody invited or knocking who is turned away: their server is not in the room, and has to hear of it. */
export function serverOfWaiting({ pdu }: StoredEvent, current: DraftCurrent): Set<ServerName> {
  const userId = pdu.type === 'm.room.member' && pdu.sender !== pdu.state_key ? parseUserId(pdu.state_key) : undefined
  if (userId === undefined || pdu.content['membership'] === 'invite') return new Set()
  const member = current.at(stateKeyOf('m.room.member', userId))
  const membership = member === undefined ? undefined : memberOf(member)?.membership
  return membership === 'invite' || membership === 'knock' ? new Set([serverNameOf(userId)]) : new Set()
}
