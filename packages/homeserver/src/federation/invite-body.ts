import type { JsonObject, Pdu, RoomVersion } from '@kith/matrix-protocol'

/** An invite for a server that is away. In the outbox it names the event (`{room_id, event_id}`); on the wire its content is an `inviteBody`. */
export const INVITE_EDU_TYPE = 'im.kith.invite'

/** The body of an invite request, and the content of the EDU that stands for it. */
export function inviteBody(event: Pdu, version: RoomVersion, strippedState: readonly JsonObject[]): JsonObject {
  return { room_version: version.id, event: event as unknown as JsonObject, invite_room_state: strippedState }
}
