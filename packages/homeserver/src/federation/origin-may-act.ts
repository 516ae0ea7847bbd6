import { type RoomId, serverAclAllows, type ServerName } from '@kith/matrix-protocol'
import type { Rooms } from '../rooms/index.ts'

/**
 * Whether the room's `m.room.server_acl` lets a server act in it. True for rooms that are not known here.
 * @see https://spec.matrix.org/latest/server-server-api/#server-access-control-lists-acls
 */
export function originMayAct(rooms: Pick<Rooms, 'state'>, roomId: RoomId, origin: ServerName): boolean {
  return serverAclAllows(origin, rooms.state(roomId)?.get('m.room.server_acl', '')?.pdu.content)
}
