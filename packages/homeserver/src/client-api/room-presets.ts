import type { JsonObject, RoomAlias, RoomVersion, UserId } from '@kith/matrix-protocol'
import type { EventDraft } from '../rooms/index.ts'
import type { CreateRoomBody } from './endpoints/create-room.ts'

export const presetNames = ['private_chat', 'trusted_private_chat', 'public_chat'] as const

interface Preset {
  readonly joinRule: 'invite' | 'public'
  readonly guestAccess: 'can_join' | 'forbidden'
}

const presets: Readonly<Record<(typeof presetNames)[number], Preset>> = {
  private_chat: { joinRule: 'invite', guestAccess: 'can_join' },
  trusted_private_chat: { joinRule: 'invite', guestAccess: 'can_join' },
  public_chat: { joinRule: 'public', guestAccess: 'forbidden' },
}

interface NewRoom {
  readonly creator: UserId
  readonly version: RoomVersion
  readonly body: CreateRoomBody
  readonly alias: RoomAlias | undefined
  readonly creatorContent: JsonObject
}

/** The events after m.room.create, in the order of the specification. Spec: Client-Server API, POST /createRoom. */
export function roomEvents(room: NewRoom): EventDraft[] {
  const { body, creator, alias } = room
  const preset = presets[body.preset ?? (body.visibility === 'public' ? 'public_chat' : 'private_chat')]
  const initial = body.initial_state.map((event) => ({ type: event.type, stateKey: event.state_key, content: event.content }))
  const given = new Set(initial.filter((event) => event.stateKey === '').map((event) => event.type))
  const byPreset = [
    stateEvent('m.room.join_rules', { join_rule: preset.joinRule }),
    stateEvent('m.room.history_visibility', { history_visibility: 'shared' }),
    stateEvent('m.room.guest_access', { guest_access: preset.guestAccess }),
  ]
  return [
    { type: 'm.room.member', stateKey: creator, content: room.creatorContent },
    stateEvent('m.room.power_levels', powerLevels(room)),
    ...(alias === undefined ? [] : [stateEvent('m.room.canonical_alias', { alias })]),
    ...byPreset.filter((event) => !given.has(event.type)),
    ...initial,
    ...(body.name === undefined ? [] : [stateEvent('m.room.name', { name: body.name })]),
    ...(body.topic === undefined ? [] : [stateEvent('m.room.topic', topicContent(body.topic))]),
  ]
}

function stateEvent(type: string, content: JsonObject): EventDraft {
  return { type, stateKey: '', content }
}

function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic, mimetype: 'text/plain' }] } }
}

/** Where creators stand above all levels, they may not be listed. */
function powerLevels({ creator, version, body }: NewRoom): JsonObject {
  const creators = version.creatorsHaveInfinitePower
  const invited = body.preset === 'trusted_private_chat' && !creators ? body.invite.map((userId) => [userId, 100] as const) : []
  const users = creators ? {} : Object.fromEntries([...invited, [creator, 100] as const])
  return {
    ban: 50,
    kick: 50,
    redact: 50,
    invite: body.preset === 'public_chat' ? 50 : 0,
    events_default: 0,
    state_default: 50,
    users_default: 0,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.encryption': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': creators ? 150 : 100,
    },
    users,
    notifications: { room: 50 },
    ...body.power_level_content_override,
  }
}
