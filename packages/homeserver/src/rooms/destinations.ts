import { parseUserId, type ServerName, serverNameOf, stateKeyOf } from '@kith/matrix-protocol'
import type { DraftCurrent } from './draft-current.ts'
import { memberOf } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * The servers that must hear of an event: those in the room before or after it and others concerned, but for this one and the event's own,
 * which know. Its own is told where the event displaced it.
 */
export function destinationsOf(
  event: StoredEvent,
  [displaced, ...concerned]: readonly ReadonlySet<ServerName>[],
  serverName: ServerName,
): Set<ServerName> {
  const destinations = new Set(concerned.flatMap((servers) => [...servers]))
  destinations.delete(serverName)
  destinations.delete(serverNameOf(event.pdu.sender))
  return destinations.union(displaced ?? new Set())
}

/** Of somebody invited or knocking who is turned away: their server is not in the room, and has to hear of it. */
export function serverOfWaiting({ pdu }: StoredEvent, current: DraftCurrent): Set<ServerName> {
  const userId = pdu.type === 'm.room.member' && pdu.sender !== pdu.state_key ? parseUserId(pdu.state_key) : undefined
  if (userId === undefined || pdu.content['membership'] === 'invite') return new Set()
  const member = current.at(stateKeyOf('m.room.member', userId))
  const membership = member === undefined ? undefined : memberOf(member)?.membership
  return membership === 'invite' || membership === 'knock' ? new Set([serverNameOf(userId)]) : new Set()
}
