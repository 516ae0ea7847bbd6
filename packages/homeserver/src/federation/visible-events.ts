import { type EventId, type JsonObject, type Pdu, redact, redactsOf, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { ReaderServer } from './reader-server.ts'
import { pduJson } from './transaction.ts'

interface Parts {
  readonly rooms: Pick<Rooms, 'event' | 'state' | 'stateBefore' | 'stateIdBefore'>
}

/**
 * Events as another server in the room may see them: what it may not read comes redacted, so that the graph stays whole.
 * State events come as they are: every member gets the state of the room, and two members whose copies of it differ would never agree.
 * Rejected events are nobody's history and are left out.
 * @see https://spec.matrix.org/latest/client-server-api/#room-history-visibility
 */
export async function visibleEvents(
  parts: Parts,
  origin: ServerName,
  version: RoomVersion,
  events: readonly StoredEvent[],
): Promise<JsonObject[]> {
  const reader = new ReaderServer(parts, origin)
  const visible: JsonObject[] = []
  for (const event of events) if (event.status !== 'rejected') visible.push(pduJson(await visibleForm(parts, reader, event, version)))
  return visible
}

/** One event as the reader may see it. */
export async function visibleForm(parts: Parts, reader: ReaderServer, event: StoredEvent, version: RoomVersion): Promise<Pdu> {
  const readable = event.pdu.state_key !== undefined || (await reader.mayRead(event)) || (await mustLearn(parts, reader, event, version))
  return readable ? event.pdu : redact(event.pdu, version)
}

/**
 * Whether the event redacts what the reader may read, and would not say so any more in its redacted form, which before version 11 lacks
 * `redacts`. Who was out of the room when it came would keep for ever what its author took back. To clients it is told likewise: a
 * redacted event has it in `redacted_because`, whether or not they may see it by itself.
 * @see https://spec.matrix.org/latest/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
 */
async function mustLearn({ rooms }: Parts, reader: ReaderServer, { roomId, pdu }: StoredEvent, version: RoomVersion): Promise<boolean> {
  const targetId = redactsOf(pdu, version) as EventId | undefined
  if (targetId === undefined || redactsOf(redact(pdu, version), version) !== undefined) return false
  const target = await rooms.event(targetId)
  return target !== undefined && target.roomId === roomId && (target.pdu.state_key !== undefined || (await reader.mayRead(target)))
}
