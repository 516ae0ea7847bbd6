import { type JsonObject, type Pdu, type RoomVersion, strippedState, type UserId } from '@kith/matrix-protocol'
import type { RoomState } from '../rooms/index.ts'
import { pduJson } from './transaction.ts'

/** An invite for a server that is away. In the outbox it names the event (`{room_id, event_id}`); on the wire its content is an `inviteBody`. */
export const INVITE_EDU_TYPE = 'im.kith.invite'

/**
 * The body of an invite request, and the content of the EDU that stands for it. What the invited user may know of the room comes as
 * whole events, so that it can be verified.
 */
export function inviteBody(event: Pdu, version: RoomVersion, state: RoomState): JsonObject {
  return { room_version: version.id, event: pduJson(event), invite_room_state: stateForOutsiders(state, [event.sender]) }
}

/** What goes with an invite or a knock. The power levels are among it, because an answer made without the room's help has to cite them. */
export function stateForOutsiders(state: RoomState, members: readonly UserId[]): JsonObject[] {
  const shown = strippedState((type, stateKey) => state.get(type, stateKey)?.pdu, members)
  const powerLevels = state.get('m.room.power_levels', '')
  return [...shown, ...(powerLevels === undefined ? [] : [powerLevels.pdu])].map(pduJson)
}
