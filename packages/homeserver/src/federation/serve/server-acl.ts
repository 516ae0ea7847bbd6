import type { RoomId, ServerName } from '@kith/matrix-protocol'
import { MatrixError } from '../../matrix-error.ts'
import type { Rooms } from '../../rooms/index.ts'
import { originMayAct } from '../origin-may-act.ts'

/** @throws MatrixError M_FORBIDDEN for a server that the room shuts out. */
export function refuseShutOut(rooms: Pick<Rooms, 'state'>, roomId: RoomId, origin: ServerName): void {
  if (!originMayAct(rooms, roomId, origin)) throw new MatrixError(403, 'M_FORBIDDEN', 'The room does not let your server act in it')
}
