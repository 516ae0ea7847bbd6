import type { JsonObject } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Pdu } from './pdu.ts'
import type { TypeAndStateKey } from './state-map.ts'

/** What somebody invited or knocking may know of the room, besides the membership events of those concerned. */
const STRIPPED_TYPES = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const

/**
 * The state that goes with an invite or a knock to people outside of the room.
 * @param members whose membership events are included: the sender's, so that the invited user sees who invites.
 * @returns full PDUs where servers need to check them (version 12: the create event makes the room id), stripped events otherwise.
 * @see https://spec.matrix.org/latest/client-server-api/#stripped-state
 */
export function strippedState(
  state: (type: string, stateKey: string) => Pdu | undefined,
  version: RoomVersion,
  members: readonly string[] = [],
): JsonObject[] {
  const keys: TypeAndStateKey[] = [
    ...STRIPPED_TYPES.map((type) => ({ type, stateKey: '' })),
    ...members.map((stateKey) => ({ type: 'm.room.member', stateKey })),
  ]
  return keys.flatMap(({ type, stateKey }) => {
    const pdu = state(type, stateKey)
    if (pdu === undefined) return []
    return [version.roomIdIsCreateEvent && type === 'm.room.create' ? (pdu as unknown as JsonObject) : stripEvent(pdu)]
  })
}

/** The form in which clients see stripped state. */
export function stripEvent(pdu: Pdu): JsonObject {
  return { type: pdu.type, state_key: pdu.state_key ?? '', sender: pdu.sender, content: pdu.content }
}
