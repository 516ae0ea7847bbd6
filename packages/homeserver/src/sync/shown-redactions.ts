import { type EventId, redactsOf } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'

/**
 * Whether clients may be told of the event: a redaction that does not take effect is kept from them, since they would apply it.
 * @see https://spec.matrix.org/latest/rooms/v3/#handling-redactions
 */
export async function redactionTakesEffect(rooms: Rooms, event: StoredEvent): Promise<boolean> {
  if (event.pdu.type !== 'm.room.redaction' || event.redactedBy !== undefined) return true
  const version = rooms.version(event.roomId)
  // Where the auth rules decide, what was accepted takes effect.
  if (version === undefined || version.redactionsHaveOwnAuthRule) return true
  const targetId = redactsOf(event.pdu, version) as EventId | undefined
  const target = targetId === undefined ? undefined : await rooms.event(targetId)
  return target?.redactedBy !== undefined && target.roomId === event.roomId
}

/**
 * Redactions that came before the end of what a client knows and were kept from it until now, because what they redact is among these events,
 * which it does not know yet. Whoever knows both, tells of both.
 */
export async function redactionsKeptBack(rooms: Rooms, events: readonly StoredEvent[], known: number): Promise<StoredEvent[]> {
  const redactionIds = events.flatMap(({ redactedBy }) => redactedBy ?? [])
  if (redactionIds.length === 0) return []
  const redactions = (await rooms.events(redactionIds)).filter((event) => event !== undefined)
  return redactions.filter(({ position, redactedBy, roomId }) => {
    const wasKeptBack = redactedBy === undefined && rooms.version(roomId)?.redactionsHaveOwnAuthRule === false
    return wasKeptBack && position !== undefined && position <= known
  })
}
