import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ownMember,
  ownObject,
  ownString,
  parseRoomId,
  type RoomId,
  type UserId,
} from '@kith/matrix-protocol'
import type { Api } from './endpoint.ts'

/**
 * What a user set up for a room goes on in the one that replaces it: tags, the push rule of the room, and its place among the direct chats.
 * What the user set in the new room stays. For whoever has just joined it.
 * @see https://spec.matrix.org/latest/client-server-api/#server-behaviour-18
 */
export async function inheritFromPredecessor(api: Api, userId: UserId, roomId: RoomId): Promise<void> {
  const create = api.rooms.state(roomId)?.get('m.room.create', '')?.pdu
  const predecessor = parseRoomId(ownMember(ownObject(create?.content, 'predecessor'), 'room_id'))
  // Anybody may write that their room replaces another; the other one has to agree.
  if (predecessor === undefined || !isReplacedBy(api, predecessor, roomId)) return
  if (api.rooms.state(predecessor)?.get('m.room.member', userId) === undefined) return
  await copyTags(api, userId, predecessor, roomId)
  await copyPushRule(api, userId, predecessor, roomId)
  await copyDirect(api, userId, predecessor, roomId)
}

function isReplacedBy(api: Api, predecessor: RoomId, roomId: RoomId): boolean {
  return ownString(api.rooms.state(predecessor)?.get('m.room.tombstone', '')?.pdu.content, 'replacement_room') === roomId
}

async function copyTags(api: Api, userId: UserId, from: RoomId, to: RoomId): Promise<void> {
  const tags = await api.accountData.get(userId, from, 'm.tag')
  if (tags !== undefined) await api.accountData.update(userId, to, 'm.tag', (existing) => (existing === undefined ? tags : undefined))
}

async function copyPushRule(api: Api, userId: UserId, from: RoomId, to: RoomId): Promise<void> {
  const rules = (await api.pushRules.get(userId)).room
  const rule = rules.find((candidate) => candidate.rule_id === from)
  if (rule === undefined || rules.some((candidate) => candidate.rule_id === to)) return
  await api.pushRules.put(userId, 'room', to, { actions: rule.actions }, {})
  if (!rule.enabled) await api.pushRules.update(userId, 'room', to, { enabled: false })
}

/** `m.direct` maps users to rooms. */
async function copyDirect(api: Api, userId: UserId, from: RoomId, to: RoomId): Promise<void> {
  await api.accountData.update(userId, '', 'm.direct', (direct) => {
    if (!isJsonObject(direct)) return undefined
    const entries = Object.entries(direct).map(([user, value]) => {
      const rooms: readonly JsonValue[] = Array.isArray(value) ? value : []
      return [user, rooms.includes(from) && !rooms.includes(to) ? [...rooms, to] : value] as const
    })
    const changed: JsonObject = Object.fromEntries(entries)
    return entries.some(([user, rooms]) => rooms !== direct[user]) ? changed : undefined
  })
}
