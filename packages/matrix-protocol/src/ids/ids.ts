import { fitsUtf8 } from '../bytes/utf8.ts'
import { protocolLimits } from '../limits.ts'

declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A server's name. For a Kith node: its Ed25519 key as a libp2p-key CID in lower-case base36. */
export type ServerName = Branded<'ServerName'>
export type UserId = Branded<'UserId'>
export type RoomId = Branded<'RoomId'>
export type EventId = Branded<'EventId'>
export type RoomAlias = Branded<'RoomAlias'>

/** A Kith server has exactly one signing key, the one its name is made of. */
export const SIGNING_KEY_ID = 'ed25519:1'

const { identifierBytesMax, hostLengthMax } = protocolLimits.specification

const SERVER_NAME = /^(?:[0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/
/** What the strict grammar allows in new local parts. */
const LOCALPART = /^[a-z0-9._=/+-]+$/
/** A SHA-256 in base64: event ids from room version 3 on, room ids from 12 on. */
const HASH = /^[A-Za-z0-9+/_-]{43}$/

/** @see https://spec.matrix.org/latest/appendices/#server-name */
export function parseServerName(value: unknown): ServerName | undefined {
  if (typeof value !== 'string' || value.length > hostLengthMax + ':65535'.length) return undefined
  return SERVER_NAME.test(value) && value.replace(/:[0-9]{1,5}$/, '').length <= hostLengthMax ? (value as ServerName) : undefined
}

/**
 * Accepts the historical grammar, in which the local part is any text without colon and NUL: such users exist in rooms.
 * @see https://spec.matrix.org/latest/appendices/#historical-user-ids
 */
export function parseUserId(value: unknown): UserId | undefined {
  return parseQualified(value, '@') as UserId | undefined
}

/**
 * Either `!opaque:server` or, from room version 12 on, `!` and the hash of the create event.
 * @see https://spec.matrix.org/latest/appendices/#room-ids
 */
export function parseRoomId(value: unknown): RoomId | undefined {
  return parseHashOrQualified(value, '!') as RoomId | undefined
}

/** Either `$` and a hash (from room version 3 on) or `$opaque:server`. @see https://spec.matrix.org/latest/appendices/#event-ids */
export function parseEventId(value: unknown): EventId | undefined {
  return parseHashOrQualified(value, '$') as EventId | undefined
}

/** `#local:server`, the local part not empty. @see https://spec.matrix.org/latest/appendices/#room-aliases */
export function parseRoomAlias(value: unknown): RoomAlias | undefined {
  const alias = parseQualified(value, '#')
  return alias === undefined || alias.startsWith('#:') ? undefined : (alias as RoomAlias)
}

/** The server that an id belongs to. @see https://spec.matrix.org/latest/appendices/#identifier-grammar */
export function serverNameOf(id: UserId | RoomAlias): ServerName {
  return id.slice(id.indexOf(':') + 1) as ServerName
}

/** What stands before the server. @see https://spec.matrix.org/latest/appendices/#user-identifiers */
export function localpartOf(userId: UserId): string {
  return userId.slice(1, userId.indexOf(':'))
}

/**
 * The text as the local part of a new user, by the strict grammar; undefined when it is none.
 * @see https://spec.matrix.org/latest/appendices/#user-identifiers
 */
export function parseLocalpart(value: unknown): string | undefined {
  return typeof value === 'string' && LOCALPART.test(value) ? value : undefined
}

/**
 * @throws RangeError when the local part breaks the strict grammar or the id becomes too long.
 * @see https://spec.matrix.org/latest/appendices/#user-identifiers
 */
export function makeUserId(localpart: string, server: ServerName): UserId {
  const userId = parseLocalpart(localpart) === undefined ? undefined : parseUserId(`@${localpart}:${server}`)
  if (userId === undefined) throw new RangeError('This local part makes no user id')
  return userId
}

/** The server named in a room id of versions before 12. @see https://spec.matrix.org/latest/appendices/#room-ids */
export function serverNameOfRoomId(roomId: RoomId): ServerName | undefined {
  const colon = roomId.indexOf(':')
  return colon === -1 ? undefined : (roomId.slice(colon + 1) as ServerName)
}

/** The server named in an event id of the first room versions. @see https://spec.matrix.org/latest/rooms/v1/#event-ids */
export function serverNameOfEventId(eventId: string): ServerName | undefined {
  const colon = eventId.indexOf(':')
  return colon === -1 ? undefined : (eventId.slice(colon + 1) as ServerName)
}

/**
 * An event id for room versions in which the event's server chooses it.
 * @param localpart must be new on this server: random.
 * @see https://spec.matrix.org/latest/rooms/v1/#event-ids
 * @throws RangeError when the local part makes no event id.
 */
export function makeEventId(localpart: string, server: ServerName): EventId {
  const eventId = parseEventId(`$${localpart}:${server}`)
  if (eventId === undefined || localpart.includes(':')) throw new RangeError('This local part makes no event id')
  return eventId
}

function parseHashOrQualified(value: unknown, sigil: string): string | undefined {
  if (typeof value !== 'string') return undefined
  if (value.length === 44 && value.startsWith(sigil) && HASH.test(value.slice(1))) return value
  const id = parseQualified(value, sigil)
  return id === undefined || id.startsWith(`${sigil}:`) ? undefined : id
}

function parseQualified(value: unknown, sigil: string): string | undefined {
  if (typeof value !== 'string' || !value.startsWith(sigil) || !fitsUtf8(value, identifierBytesMax)) return undefined
  const colon = value.indexOf(':')
  if (colon === -1 || parseServerName(value.slice(colon + 1)) === undefined) return undefined
  return value.isWellFormed() && !value.includes('\0') ? value : undefined
}
