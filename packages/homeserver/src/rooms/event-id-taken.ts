import { type Pdu, referenceHash, type RoomId, type RoomVersion } from '@kith/matrix-protocol'
import type { StoredEvent } from './stored-event.ts'

/**
 * Whether the event's id already stands for another event. Only in room versions whose ids are chosen can that be: a server can give one
 * id to two events, in one room or in two. The event that came first keeps it.
 * @see https://spec.matrix.org/latest/rooms/v3/#event-ids
 */
export function isEventIdTaken(known: StoredEvent | undefined, roomId: RoomId, pdu: Pdu, version: RoomVersion): boolean {
  if (known === undefined) return false
  if (known.roomId !== roomId) return true
  if (version.eventIds !== 'given') return false
  const hash = referenceHash(pdu, version)
  return referenceHash(known.pdu, version).some((byte, index) => byte !== hash[index])
}
