import { type JsonObject, redact, type RoomVersion, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import type { RoomState, StoredEvent } from '../../rooms/index.ts'
import { pduJson } from '../transaction.ts'
import type { ServeParts } from './serve-parts.ts'

/**
 * Events as another server in the room may see them: what it may not read comes redacted, so that the graph stays whole.
 * Rejected events are nobody's history and are left out.
 * @see https://spec.matrix.org/latest/client-server-api/#room-history-visibility
 */
export async function visibleEvents(
  parts: ServeParts,
  origin: ServerName,
  version: RoomVersion,
  events: readonly StoredEvent[],
): Promise<JsonObject[]> {
  const visible: JsonObject[] = []
  for (const event of events) {
    if (event.status === 'rejected') continue
    const readable = event.pdu.state_key !== undefined || (await mayRead(parts, origin, event))
    visible.push(pduJson(readable ? event.pdu : redact(event.pdu, version)))
  }
  return visible
}

async function mayRead(parts: ServeParts, origin: ServerName, event: StoredEvent): Promise<boolean> {
  if (serverNameOf(event.pdu.sender) === origin) return true
  // Where the state at the event was never known, as with backfilled ones, the room's present rule stands in for it.
  const state = (await parts.rooms.stateBefore(event.eventId)) ?? parts.rooms.state(event.roomId)
  if (state === undefined) return false
  const visibility = state.get('m.room.history_visibility', '')?.pdu.content['history_visibility'] ?? 'shared'
  if (visibility === 'joined') return isPresent(state, origin, ['join'])
  if (visibility === 'invited') return isPresent(state, origin, ['join', 'invite'])
  return true
}

function isPresent(state: RoomState, origin: ServerName, memberships: readonly string[]): boolean {
  if (state.isJoined(origin)) return true
  if (!memberships.includes('invite')) return false
  for (const member of state.members('invite')) if (serverNameOf(member.userId) === origin) return true
  return false
}
