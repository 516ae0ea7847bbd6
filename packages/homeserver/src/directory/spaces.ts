import {
  compareCodePoints,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownInteger,
  ownMember,
  ownString,
  parseRoomId,
  parseServerName,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms, RoomState } from '../rooms/index.ts'
import { allowedRooms, isWorldReadable, parseSummary, type RoomSummary, summaryOf } from './room-summary.ts'

const CHILD = 'm.space.child'
/** Only such an `order` counts. @see https://spec.matrix.org/latest/client-server-api/#ordering-of-children-within-a-space */
const orderPattern = /^[\x20-\x7e]{1,50}$/
const openRules: ReadonlySet<string | undefined> = new Set(['public', 'knock', 'knock_restricted'])

/** A room with the rooms that it names as its children. */
export interface SpaceSummary extends RoomSummary {
  /** `m.space.child` events, stripped. */
  readonly children_state: readonly JsonObject[]
}

/** What one server says of a space: the answer to GET /hierarchy. */
export interface SpaceAnswer {
  readonly room: SpaceSummary
  readonly children: readonly RoomSummary[]
  /** Which the asker may neither read nor join. */
  readonly inaccessible_children: readonly RoomId[]
}

export interface SpaceChild {
  readonly roomId: RoomId
  readonly via: readonly ServerName[]
}

/** Whether somebody may see that the room exists, and what it is called. */
export type MaySee = (roomId: RoomId, state: RoomState) => boolean

/** The room and its children as far as this server is in them and the asker may see them. Undefined when that is not even the room itself. */
export function describeSpace(
  parts: { readonly rooms: Rooms; readonly serverName: ServerName },
  roomId: RoomId,
  suggestedOnly: boolean,
  maySee: MaySee,
): SpaceAnswer | undefined {
  const room = describeRoom(parts, roomId, suggestedOnly)
  const state = parts.rooms.state(roomId)
  if (room === undefined || state === undefined || !maySee(roomId, state)) return undefined
  const children: RoomSummary[] = []
  const inaccessible: RoomId[] = []
  for (const child of childrenOf(room)) {
    const childState = parts.rooms.state(child.roomId)
    const version = parts.rooms.version(child.roomId)
    // What is not known here is left out: others may know it.
    if (childState === undefined || version === undefined || !childState.isJoined(parts.serverName)) continue
    if (maySee(child.roomId, childState)) children.push(summaryOf(child.roomId, childState, version.id))
    else inaccessible.push(child.roomId)
  }
  return { room, children, inaccessible_children: inaccessible }
}

/** A room that this server is in, with its children. */
export function describeRoom(
  { rooms, serverName }: { readonly rooms: Rooms; readonly serverName: ServerName },
  roomId: RoomId,
  suggestedOnly: boolean,
): SpaceSummary | undefined {
  const state = rooms.state(roomId)
  const version = rooms.version(roomId)
  if (state === undefined || version === undefined || !state.isJoined(serverName)) return undefined
  const summary = summaryOf(roomId, state, version.id)
  return { ...summary, children_state: summary.room_type === 'm.space' ? childEvents(state, suggestedOnly) : [] }
}

/** The rooms named by well-formed child events, in the order in which they are shown. */
export function childrenOf(space: SpaceSummary): SpaceChild[] {
  return space.children_state.flatMap((event) => {
    const roomId = parseRoomId(event['state_key'])
    const via = viaOf(event['content'])
    return roomId === undefined || via.length === 0 ? [] : [{ roomId, via }]
  })
}

/** Another server's answer about that room, checked and bounded. */
export function parseSpaceAnswer(roomId: RoomId, body: JsonObject): SpaceAnswer | undefined {
  const { roomSummaryCharactersMax, spaceChildrenMax } = limits.implementation
  const summary = parseSummary(body['room'], roomSummaryCharactersMax)
  if (summary?.room_id !== roomId || !isJsonObject(body['room'])) return undefined
  const events = listOf(body['room']['children_state'], spaceChildrenMax).map(stripChild)
  return {
    room: { ...summary, children_state: sortChildren(events.filter((event) => event !== undefined)) },
    children: listOf(body['children'], spaceChildrenMax).flatMap((child) => parseSummary(child, roomSummaryCharactersMax) ?? []),
    inaccessible_children: listOf(body['inaccessible_children'], spaceChildrenMax).flatMap((id) => parseRoomId(id) ?? []),
  }
}

export function isSuggested(event: JsonObject): boolean {
  return ownMember(isJsonObject(event['content']) ? event['content'] : undefined, 'suggested') === true
}

/** What another server may see: rooms that its users are in or may enter. @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1hierarchyroomid */
export function visibleToServer(rooms: Rooms, server: ServerName): MaySee {
  return (_roomId, state) => {
    if (state.isJoined(server) || isOpen(state)) return true
    for (const membership of ['invite', 'knock'] as const) {
      for (const { userId } of state.members(membership)) if (serverNameOf(userId) === server) return true
    }
    return allowedRooms(state).some((allowed) => rooms.state(allowed)?.isJoined(server) === true)
  }
}

/** What a user of this server may see. */
export function visibleToUser(rooms: Rooms, userId: UserId): MaySee {
  return (roomId, state) => {
    const membership = state.membershipOf(userId)
    if (membership === 'join' || membership === 'invite') return true
    if (membership === 'ban') return isWorldReadable(state)
    return isOpen(state) || rooms.invite(roomId, userId) !== undefined || isMemberOfAny(rooms, userId, allowedRooms(state))
  }
}

/** The same for a room of which only a summary is known. */
export function summaryVisibleToUser(rooms: Rooms, userId: UserId, summary: RoomSummary): boolean {
  // Without a rule it is a room of another server's public list.
  if (summary.world_readable || openRules.has(summary.join_rule ?? 'public')) return true
  return rooms.invite(summary.room_id, userId) !== undefined || isMemberOfAny(rooms, userId, summary.allowed_room_ids ?? [])
}

function isMemberOfAny(rooms: Rooms, userId: UserId, roomIds: readonly RoomId[]): boolean {
  return roomIds.some((roomId) => rooms.state(roomId)?.membershipOf(userId) === 'join')
}

function isOpen(state: RoomState): boolean {
  return isWorldReadable(state) || openRules.has(ownString(state.get('m.room.join_rules', '')?.pdu.content, 'join_rule'))
}

function childEvents(state: RoomState, suggestedOnly: boolean): JsonObject[] {
  const events: JsonObject[] = []
  for (const { pdu } of state.entries()) {
    const stripped = stripChild(pdu)
    if (stripped !== undefined && (!suggestedOnly || isSuggested(stripped))) events.push(stripped)
  }
  return sortChildren(events).slice(0, limits.implementation.spaceChildrenMax)
}

/** The event in the form of stripped state with its time, when it names a child. */
function stripChild(event: object | JsonValue): JsonObject | undefined {
  if (!isJsonObject(event) || event['type'] !== CHILD || !isJsonObject(event['content'])) return undefined
  const { state_key: stateKey, content, sender, origin_server_ts: time } = event
  if (parseRoomId(stateKey) === undefined || viaOf(content).length === 0) return undefined
  if (typeof stateKey !== 'string' || typeof sender !== 'string' || typeof time !== 'number') return undefined
  return { type: CHILD, state_key: stateKey, content, sender, origin_server_ts: time }
}

function sortChildren(events: readonly JsonObject[]): JsonObject[] {
  return events.toSorted((a, b) => {
    const [first, second] = [orderOf(a), orderOf(b)]
    if (first !== second) {
      if (first === undefined) return 1
      if (second === undefined) return -1
      return compareCodePoints(first, second)
    }
    const times = (ownInteger(a, 'origin_server_ts') ?? 0) - (ownInteger(b, 'origin_server_ts') ?? 0)
    return times || compareCodePoints(ownString(a, 'state_key') ?? '', ownString(b, 'state_key') ?? '')
  })
}

function orderOf(event: JsonObject): string | undefined {
  const order = ownString(isJsonObject(event['content']) ? event['content'] : undefined, 'order')
  return order !== undefined && orderPattern.test(order) ? order : undefined
}

function viaOf(content: JsonValue | undefined): ServerName[] {
  const via = isJsonObject(content) ? content['via'] : undefined
  return listOf(via, limits.implementation.spaceChildServersMax).flatMap((server) => parseServerName(server) ?? [])
}

function listOf(value: JsonValue | undefined, countMax: number): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, countMax) : []
}
