import {
  checkContentHash,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownMember,
  parsePdu,
  parseUserId,
  type Pdu,
  redact,
  type RoomId,
  roomIdOf,
  type RoomVersion,
  roomVersionNamed,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Crypto } from '../../ports/crypto.ts'
import { isEventSigned } from '../event-signatures.ts'

export type CheckedInviteState =
  | { readonly kind: 'ok'; readonly events: readonly JsonObject[] }
  | { readonly kind: 'bad'; readonly reason: string }

interface RoomOfInvite {
  readonly roomId: RoomId
  readonly version: RoomVersion
}

/**
 * What another server tells of a room to somebody invited or knocking. Where the room id is made of the create event, everything must be a
 * signed event of this room, the create event among them: it proves what room that is. In older versions what proves to be none is left
 * out, and stripped events are taken on the other's word, as they always were.
 * @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv2inviteroomideventid
 */
export async function checkInviteState(crypto: Crypto, value: JsonValue | undefined, room: RoomOfInvite): Promise<CheckedInviteState> {
  const isStrict = room.version.roomIdIsCreateEvent
  if (!Array.isArray(value)) return isStrict || value !== undefined ? bad('The state of the room is missing') : { kind: 'ok', events: [] }
  const { inviteStateEventsMax, inviteStateCharactersMax } = limits.implementation
  if (value.length > inviteStateEventsMax || JSON.stringify(value).length > inviteStateCharactersMax) {
    return bad('The state of the room is too large')
  }
  const events: JsonObject[] = []
  for (const item of value as readonly JsonValue[]) {
    const event = await wholeEvent(crypto, item, room)
    if (typeof event === 'string') {
      if (isStrict) return bad(event)
      if (isStripped(item)) events.push(stripped(item))
    } else events.push(event as unknown as JsonObject)
  }
  return versionFault(events, room.version) ?? { kind: 'ok', events }
}

/** The event, or why it is none of this room. */
async function wholeEvent(crypto: Crypto, value: JsonValue, { roomId, version }: RoomOfInvite): Promise<Pdu | string> {
  const parsed = parsePdu(value, version)
  if (parsed.kind === 'bad') return `An event of the state is malformed: ${parsed.reason}`
  const { unsigned: _unsigned, ...pdu } = parsed.pdu
  if (pdu.state_key === undefined) return 'An event of the state is no state event'
  if (roomIdOf(pdu, version) !== roomId) return 'An event of the state is of another room'
  if (!(await isEventSigned(crypto, pdu, version))) return 'An event of the state is not signed by its server'
  // The other server may have it only redacted.
  return checkContentHash(pdu, version) ? pdu : redact(pdu, version)
}

function versionFault(events: readonly JsonObject[], version: RoomVersion): CheckedInviteState | undefined {
  const create = events.find(({ type, state_key: stateKey }) => type === 'm.room.create' && stateKey === '')
  if (create === undefined) return version.roomIdIsCreateEvent ? bad('The create event of the room is missing') : undefined
  const content = isJsonObject(create['content']) ? create['content'] : {}
  return roomVersionNamed(ownMember(content, 'room_version')) === version ? undefined : bad('The create event names another room version')
}

/** Neither hashed nor signed: whoever sends only this much claims no more. */
function isStripped(value: JsonValue): value is JsonObject {
  if (!isJsonObject(value) || value['hashes'] !== undefined || value['signatures'] !== undefined) return false
  const { type, state_key: stateKey, sender, content } = value
  return typeof type === 'string' && typeof stateKey === 'string' && parseUserId(sender) !== undefined && isJsonObject(content)
}

function stripped({ type = '', state_key = '', sender = '', content = {} }: JsonObject): JsonObject {
  return { type, state_key, sender, content }
}

function bad(reason: string): CheckedInviteState {
  return { kind: 'bad', reason }
}
