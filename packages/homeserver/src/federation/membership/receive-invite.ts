import {
  authEventIdsOf,
  checkContentHash,
  type EventId,
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
import type { Rooms, StoredInvite } from '../../rooms/index.ts'
import { isEventSigned } from '../event-signatures.ts'
import type { LocalUsers } from '../local-users.ts'
import { originMayAct } from '../origin-may-act.ts'
import { parseLeaveEdu } from './decline-event.ts'
import { checkInviteState } from './invite-state.ts'

export type ReceiveInviteOutcome =
  /** Stored; the event bears this server's signature too. */
  | { readonly kind: 'received'; readonly event: Pdu }
  | { readonly kind: 'unsupported-version' }
  /** No event of that room version. */
  | { readonly kind: 'malformed'; readonly reason: string }
  /** An event, but not an invite as it must be. */
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'forbidden'; readonly reason: string }
  /** The user wants no invites. */
  | { readonly kind: 'blocked' }

interface IncomingInvite {
  readonly event: Pdu
  readonly userId: UserId
  readonly roomId: RoomId
  readonly version: RoomVersion
}

/** Takes in what other servers send to users in rooms whose state this server does not hold, as requests or through relays. */
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

  /**
   * @param named the id that the event must have; undefined: whatever it has.
   * @param body `{room_version, event, invite_room_state}`
   */
  async receive(origin: ServerName, named: EventId | undefined, body: JsonObject, signal: AbortSignal): Promise<ReceiveInviteOutcome> {
    const version = roomVersion(body['room_version'])
    if (version === undefined) return { kind: 'unsupported-version' }
    const parsed = parsePdu(body['event'], version)
    if (parsed.kind === 'bad') return { kind: 'malformed', reason: parsed.reason }
    const { unsigned: _unsigned, ...event } = parsed.pdu
    if (named !== undefined && eventIdOf(event, version) !== named) return { kind: 'invalid', reason: 'The event has another id' }
    const invite = await this.#read(origin, event, version)
    if (typeof invite === 'string') return { kind: 'invalid', reason: invite }
    const state = await checkInviteState(this.#crypto, body['invite_room_state'], invite)
    if (state.kind === 'bad') return { kind: 'invalid', reason: state.reason }
    if (!originMayAct(this.#rooms, invite.roomId, origin))
      return { kind: 'forbidden', reason: 'The room does not let your server act in it' }
    if (!(await this.#users.existsOrIsMade(invite.userId, signal)))
      return { kind: 'forbidden', reason: 'The invited user does not exist here' }
    if (await this.#users.blocksInvites(invite.userId)) return { kind: 'blocked' }
    const signed = await this.#rooms.signPdu(event, version)
    if (await this.#store({ ...invite, event: signed }, state.events, signal)) return { kind: 'received', event: signed }
    return { kind: 'forbidden', reason: 'The invited user has too many invites' }
  }

  /** The invite, or why it is none that this server may sign. */
  async #read(origin: ServerName, event: Pdu, version: RoomVersion): Promise<IncomingInvite | string> {
    const userId = parseUserId(event.state_key)
    const roomId = parseRoomId(event.room_id)
    if (event.type !== 'm.room.member' || event.content['membership'] !== 'invite' || roomId === undefined) return 'This is no invite'
    if (userId === undefined || serverNameOf(userId) !== this.#serverName) return 'The invited user is of another server'
    if (serverNameOf(event.sender) !== origin) return 'The inviting user is of another server'
    if (!checkContentHash(event, version)) return 'The invite is not what was hashed'
    return (await isEventSigned(this.#crypto, event, version)) ? { event, userId, roomId, version } : 'The signature is wrong'
  }

  async #store({ event, userId, roomId, version }: IncomingInvite, state: readonly JsonObject[], signal: AbortSignal): Promise<boolean> {
    // A server in the room gets the event itself, with all others. Unless it has yet to hear of what put it out of the room.
    const isInside = this.#rooms.state(roomId)?.isJoined(this.#serverName) === true
    if (isInside && !(await this.#rooms.events(authEventIdsOf(event))).includes(undefined)) return true
    const known = this.#rooms.invite(roomId, userId)
    if (known !== undefined && eventIdOf(known.event, version) === eventIdOf(event, version)) return true
    return this.#rooms.putInvite({ roomId, userId, version: version.id, event, strippedState: state }, signal)
  }

  /**
   * An event that ends an invite to a room whose state is not held here, or refuses a knock at it. Answers whether it was one.
   * Who may do that is for the room to judge, whose state this server lacks; see mayEnd.
   */
  async withdraw(value: JsonValue, signal: AbortSignal): Promise<boolean> {
    if (!isJsonObject(value)) return false
    const roomId = parseRoomId(value['room_id'])
    const userId = parseUserId(value['state_key'])
    if (roomId === undefined || userId === undefined) return false
    const invite = this.#rooms.invite(roomId, userId) ?? this.#rooms.knock(roomId, userId)
    const version = invite === undefined ? undefined : roomVersion(invite.version)
    if (invite === undefined || version === undefined) return false
    const parsed = parsePdu(value, version)
    if (parsed.kind === 'bad' || parsed.pdu.type !== 'm.room.member' || roomIdOf(parsed.pdu, version) !== invite.roomId) return false
    const membership = parsed.pdu.content['membership']
    if (membership !== 'leave' && membership !== 'ban') return false
    if (!mayEnd(parsed.pdu, invite, version)) return false
    // What was before the invite, such as the ban that it follows, may come after it.
    if (parsed.pdu.depth < invite.event.depth) return false
    if (!(await isEventSigned(this.#crypto, parsed.pdu, version))) return false
    await this.#rooms.dropInvite(invite.roomId, invite.userId, signal)
    return true
  }

  /** A user of another server declined an invite, or took a knock back, while no server of the room answered. False when it changes nothing. */
  async receiveLeave(origin: ServerName, content: JsonObject, signal: AbortSignal): Promise<boolean> {
    const version = roomVersion(content['room_version'])
    const event = version === undefined ? undefined : parseLeaveEdu(content, version)
    if (version === undefined || event === undefined) return false
    const isLeave = event.type === 'm.room.member' && event.content['membership'] === 'leave' && event.state_key === event.sender
    if (!isLeave || serverNameOf(event.sender) !== origin) return false
    const roomId = roomIdOf(event, version)
    if (!originMayAct(this.#rooms, roomId, origin)) return false
    const state = this.#rooms.state(roomId)
    if (state?.isJoined(this.#serverName) !== true || this.#rooms.version(roomId)?.id !== version.id) return false
    // Whoever has come in since leaves by an event of the room.
    const membership = state.membershipOf(event.sender)
    if (membership !== 'invite' && membership !== 'knock') return false
    const outcome = await this.#rooms.receiveAndForward(roomId, event, signal)
    return outcome.kind === 'accepted'
  }
}

/**
 * An invite ends by the word of the server that invited, or of the one that made the room. A knock ends by the word of anybody who has
 * seen it: only members of the room know its id.
 */
function mayEnd(event: Pdu, ended: StoredInvite, version: RoomVersion): boolean {
  const server = serverNameOf(event.sender)
  const create = ended.strippedState.find(({ type, state_key: stateKey }) => type === 'm.room.create' && stateKey === '')
  const founder = parseUserId(create?.['sender'])
  if (founder !== undefined && server === serverNameOf(founder)) return true
  if (ended.event.content['membership'] === 'invite') return server === serverNameOf(ended.event.sender)
  return authEventIdsOf(event).includes(eventIdOf(ended.event, version))
}
