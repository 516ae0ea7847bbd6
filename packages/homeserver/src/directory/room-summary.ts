import { isJsonObject, type JsonObject, type JsonValue, ownString, parseRoomAlias, parseRoomId, type RoomId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { RoomState } from '../rooms/index.ts'

/** What others learn of a room before they are in it. @see https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1room_summaryroomidoralias */
export interface RoomSummary {
  readonly room_id: RoomId
  readonly num_joined_members: number
  readonly world_readable: boolean
  readonly guest_can_join: boolean
  readonly name?: string
  readonly topic?: string
  readonly canonical_alias?: string
  readonly avatar_url?: string
  readonly join_rule?: string
  readonly room_type?: string
  readonly allowed_room_ids?: readonly RoomId[]
  readonly encryption?: string
  readonly room_version?: string
}

const KNOWN_ENCRYPTION = 'm.megolm.v1.aes-sha2'

export function summaryOf(roomId: RoomId, state: RoomState, version: string): RoomSummary {
  const content = (type: string): JsonObject | undefined => state.get(type, '')?.pdu.content
  let joined = 0
  for (const _member of state.members('join')) joined++
  const joinRule = ownString(content('m.room.join_rules'), 'join_rule') ?? 'invite'
  const allowed = allowedRooms(state)
  return {
    room_id: roomId,
    num_joined_members: joined,
    world_readable: isWorldReadable(state),
    guest_can_join: ownString(content('m.room.guest_access'), 'guest_access') === 'can_join',
    join_rule: joinRule,
    room_version: version,
    ...optional('name', text(content('m.room.name'), 'name')),
    ...optional('topic', text(content('m.room.topic'), 'topic')),
    ...optional('canonical_alias', parseRoomAlias(ownString(content('m.room.canonical_alias'), 'alias'))),
    ...optional('avatar_url', mxcUri(ownString(content('m.room.avatar'), 'url'))),
    ...optional('room_type', text(content('m.room.create'), 'type')),
    ...optional('allowed_room_ids', allowed.length === 0 ? undefined : allowed),
    ...optional('encryption', knownEncryption(ownString(content('m.room.encryption'), 'algorithm'))),
  }
}

/** A summary as another server gives it: only members of the right kind, texts no longer than the bound. */
export function parseSummary(value: JsonValue | undefined, charactersMax: number): RoomSummary | undefined {
  if (!isJsonObject(value)) return undefined
  const roomId = parseRoomId(value['room_id'])
  const count = value['num_joined_members']
  if (roomId === undefined || typeof count !== 'number') return undefined
  const short = (member: string): string | undefined => ownString(value, member)?.slice(0, charactersMax)
  const allowed: JsonValue = value['allowed_room_ids'] ?? []
  const allowedIds = Array.isArray(allowed)
    ? allowed.slice(0, limits.implementation.roomSummaryAllowedMax).flatMap((id: JsonValue) => parseRoomId(id) ?? [])
    : []
  return {
    room_id: roomId,
    num_joined_members: Math.max(0, Math.min(Math.trunc(count), Number.MAX_SAFE_INTEGER)),
    world_readable: value['world_readable'] === true,
    guest_can_join: value['guest_can_join'] === true,
    ...optional('name', short('name')),
    ...optional('topic', short('topic')),
    ...optional('canonical_alias', parseRoomAlias(value['canonical_alias'])),
    ...optional('avatar_url', mxcUri(short('avatar_url'))),
    ...optional('join_rule', short('join_rule')),
    ...optional('room_type', short('room_type')),
    ...optional('allowed_room_ids', allowedIds.length === 0 ? undefined : allowedIds),
    ...optional('encryption', knownEncryption(short('encryption'))),
    ...optional('room_version', short('room_version')),
  }
}

export function isWorldReadable(state: RoomState): boolean {
  return ownString(state.get('m.room.history_visibility', '')?.pdu.content, 'history_visibility') === 'world_readable'
}

/** The rooms whose members may join a restricted room; empty for rooms with other rules. */
export function allowedRooms(state: RoomState): RoomId[] {
  const content = state.get('m.room.join_rules', '')?.pdu.content
  const rule = ownString(content, 'join_rule')
  if (rule !== 'restricted' && rule !== 'knock_restricted') return []
  const allow: JsonValue = content?.['allow'] ?? []
  if (!Array.isArray(allow)) return []
  return allow.slice(0, limits.implementation.roomSummaryAllowedMax).flatMap((condition: JsonValue) => {
    if (!isJsonObject(condition) || ownString(condition, 'type') !== 'm.room_membership') return []
    return parseRoomId(condition['room_id']) ?? []
  })
}

/** A text that is there and not empty. */
function text(content: JsonObject | undefined, member: string): string | undefined {
  const value = ownString(content, member)
  return value === undefined || value === '' ? undefined : value
}

function mxcUri(value: string | undefined): string | undefined {
  return value?.startsWith('mxc://') === true ? value : undefined
}

function knownEncryption(algorithm: string | undefined): string | undefined {
  return algorithm === KNOWN_ENCRYPTION ? algorithm : undefined
}

function optional<K extends string, V>(name: K, value: V | undefined): { readonly [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [key in K]: V })
}
