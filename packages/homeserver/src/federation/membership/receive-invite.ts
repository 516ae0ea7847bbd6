import {
  eventIdOf,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parsePdu,
  parseRoomId,
  parseUserId,
  type Pdu,
  roomIdOf,
  type RoomId,
  type RoomVersion,
  roomVersion,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { Crypto } from '../../ports/crypto.ts'
import type { Rooms } from '../../rooms/index.ts'
import { isEventSigned } from '../event-signatures.ts'
import type { LocalUsers } from '../local-users.ts'

export type ReceiveInviteOutcome =
  /** Stored; the event bears this server's signature too. */
  | { readonly kind: 'received'; readonly event: Pdu }
  | { readonly kind: 'unsupported-version' }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'forbidden'; readonly reason: string }

const STRIPPED_EVENTS_MAX = 100

/** Takes an invite in, whether it came as a request or through a relay. */
export class InviteReceiver {
  readonly #crypto: Crypto
  readonly #rooms: Rooms
  readonly #users: LocalUsers
  readonly #serverName: ServerName

  constructor(parts: { readonly crypto: Crypto; readonly rooms: Rooms; readonly users: LocalUsers; readonly serverName: ServerName }) {
    this.#crypto = parts.crypto
    this.#rooms = parts.rooms
    this.#users = parts.users
    this.#serverName = parts.serverName
  }

  /** `body`: `{room_version, event, invite_room_state}`. */
  async receive(origin: ServerName, body: JsonObject, signal: AbortSignal): Promise<ReceiveInviteOutcome> {
    const version = typeof body['room_version'] === 'string' ? roomVersion(body['room_version']) : undefined
    if (version === undefined) return { kind: 'unsupported-version' }
    const parsed = parsePdu(body['event'], version)
    if (parsed.kind === 'bad') return { kind: 'invalid', reason: parsed.reason }
    const { pdu } = parsed
    const userId = invitedUser(pdu)
    const roomId = parseRoomId(pdu.room_id)
    if (userId === undefined || roomId === undefined) return { kind: 'invalid', reason: 'This is no invite' }
    if (serverNameOf(pdu.sender) !== origin) return { kind: 'forbidden', reason: 'The inviting user is of another server' }
    if (serverNameOf(userId) !== this.#serverName || !this.#users.exists(userId)) {
      return { kind: 'forbidden', reason: 'The invited user does not exist here' }
    }
    if (!(await isEventSigned(this.#crypto, pdu, version))) return { kind: 'forbidden', reason: 'The signature is wrong' }
    const event = await this.#rooms.signPdu(pdu, version)
    const invite = { event, userId, roomId, version, strippedState: strippedStateOf(body['invite_room_state']) }
    if (await this.#store(invite, signal)) return { kind: 'received', event }
    return { kind: 'forbidden', reason: 'The invited user has too many invites' }
  }

  async #store(
    invite: { event: Pdu; userId: UserId; roomId: RoomId; version: RoomVersion; strippedState: JsonObject[] },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { event, userId, roomId, version, strippedState } = invite
    // A server in the room gets the event itself, with all others.
    if (this.#rooms.state(roomId)?.isJoined(this.#serverName) === true) return true
    const known = this.#rooms.invite(roomId, userId)
    if (known !== undefined && eventIdOf(known.event, version) === eventIdOf(event, version)) return true
    return this.#rooms.putInvite({ roomId, userId, version: version.id, event, strippedState }, signal)
  }

  /**
   * An event that ends an invite to a room whose state is not held here. Answers whether it was one.
   * Who may withdraw an invite is for the room to judge, whose state this server lacks: the server that invited may.
   */
  async withdraw(value: JsonValue, signal: AbortSignal): Promise<boolean> {
    if (!isJsonObject(value)) return false
    const roomId = parseRoomId(value['room_id'])
    const userId = parseUserId(value['state_key'])
    const invite = roomId === undefined || userId === undefined ? undefined : this.#rooms.invite(roomId, userId)
    const version = invite === undefined ? undefined : roomVersion(invite.version)
    if (invite === undefined || version === undefined) return false
    const parsed = parsePdu(value, version)
    if (parsed.kind === 'bad' || parsed.pdu.type !== 'm.room.member' || roomIdOf(parsed.pdu, version) !== invite.roomId) return false
    const membership = parsed.pdu.content['membership']
    if (membership !== 'leave' && membership !== 'ban') return false
    if (serverNameOf(parsed.pdu.sender) !== serverNameOf(invite.event.sender)) return false
    if (!(await isEventSigned(this.#crypto, parsed.pdu, version))) return false
    await this.#rooms.dropInvite(invite.roomId, invite.userId, signal)
    return true
  }
}

function invitedUser(pdu: Pdu): UserId | undefined {
  return pdu.type === 'm.room.member' && pdu.content['membership'] === 'invite' ? parseUserId(pdu.state_key) : undefined
}

/** Stripped events, also when whole ones came. */
function strippedStateOf(value: JsonValue | undefined): JsonObject[] {
  if (!Array.isArray(value)) return []
  return value.slice(0, STRIPPED_EVENTS_MAX).flatMap((event: JsonValue) => {
    if (!isJsonObject(event)) return []
    const { type, state_key, sender, content } = event
    const valid = typeof type === 'string' && typeof state_key === 'string' && parseUserId(sender) !== undefined && isJsonObject(content)
    return valid ? [{ type, state_key, sender: sender ?? '', content }] : []
  })
}
