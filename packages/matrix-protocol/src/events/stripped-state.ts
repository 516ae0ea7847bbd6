import type { JsonObject } from '../json/json-value.ts'
import type { Pdu } from './pdu.ts'

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
 * The state that goes with an invite or a knock to people outside of the room, in the form that servers exchange: whole PDUs, so that
 * the other server can check them. The create event is always needed; from version 12 on it proves the room id.
 * @param members whose membership events are included: the sender's, so that the invited user sees who invites.
 * @see https://spec.matrix.org/latest/client-server-api/#stripped-state
 */
export function strippedState(state: (type: string, stateKey: string) => Pdu | undefined, members: readonly string[] = []): Pdu[] {
  const events = [
    ...STRIPPED_TYPES.map((type) => state(type, '')),
    ...[...new Set(members)].map((member) => state('m.room.member', member)),
  ]
  return events.filter((event) => event !== undefined)
}

/** One such event in the form that clients see. @see https://spec.matrix.org/latest/client-server-api/#stripped-state */
export function stripEvent(pdu: Pdu): JsonObject {
  return { type: pdu.type, state_key: pdu.state_key ?? '', sender: pdu.sender, content: pdu.content }
}
