import type { RoomId, ServerName } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'

/**
 * Which events of a room another server may ask for. One that is in the room: all. One that must be told how it came to be out of it: what
 * leads there, and nothing that arrived later, whatever depth its sender gave it. Undefined for any other.
 */
export async function reachOf(
  rooms: Pick<Rooms, 'state' | 'displacing'>,
  roomId: RoomId,
  server: ServerName,
): Promise<((event: StoredEvent) => boolean) | undefined> {
  if (rooms.state(roomId)?.isJoined(server) === true) return () => true
  const last = await rooms.displacing(roomId, server)
  if (last === undefined) return undefined
  return ({ pdu, position = 0 }) => pdu.depth <= last.pdu.depth && position <= (last.position ?? 0)
}
