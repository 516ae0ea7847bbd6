import {
  creatorsOf,
  isCanonicalInteger,
  isJsonObject,
  type JsonObject,
  ownMember,
  ownObject,
  powerLevelOf,
  readLevel,
  type RoomId,
  type RoomVersion,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { EventDraft, RoomState } from '../rooms/index.ts'

export interface Succession {
  readonly old: { readonly roomId: RoomId; readonly version: RoomVersion; readonly state: RoomState }
  readonly version: RoomVersion
  readonly creator: UserId
  /** Besides the creator; only where the version knows them. */
  readonly additionalCreators: readonly UserId[]
}

/** State with an empty key that means the same whoever sent it, in the order in which it is sent. */
const copiedTypes = [
  'm.room.join_rules',
  'm.room.history_visibility',
  'm.room.guest_access',
  'm.room.encryption',
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
  'm.room.server_acl',
] as const

/** The links of spaces, by the room that they lead to. */
const copiedLinks = new Set(['m.space.child', 'm.space.parent'])

/** What everybody but the creators had to be given in the end, where a level is missing. */
const FOUNDER_LEVEL = 100

export function successorCreateContent({ old, version, additionalCreators }: Succession): JsonObject {
  const content = old.state.get('m.room.create', '')?.pdu.content ?? {}
  const { type, 'm.federate': federate } = content
  return {
    ...(type === undefined ? {} : { type }),
    ...(federate === undefined ? {} : { 'm.federate': federate }),
    // Where the room's id is the hash of this event, the tombstone that names the room can only come after it.
    predecessor: { room_id: old.roomId },
    ...(version.additionalCreators && additionalCreators.length > 0 ? { additional_creators: [...additionalCreators] } : {}),
  }
}

/**
 * The events of the new room after the create event. The power levels come last: until then the creator may do everything.
 * @see https://spec.matrix.org/latest/client-server-api/#server-behaviour-18
 */
export function successorEvents(succession: Succession, creatorContent: JsonObject): EventDraft[] {
  const { old, creator } = succession
  const copied = copiedTypes.flatMap((type) => copyOf(old.state, type, ''))
  const links: EventDraft[] = []
  const bans: EventDraft[] = []
  for (const { pdu } of old.state.entries()) {
    if (pdu.state_key === undefined) continue
    if (copiedLinks.has(pdu.type) && Object.keys(pdu.content).length > 0) links.push(...copyOf(old.state, pdu.type, pdu.state_key))
    if (pdu.type === 'm.room.member' && pdu.content['membership'] === 'ban') bans.push(banOf(pdu.state_key, pdu.content))
  }
  const { upgradeLinksMax, upgradeBansMax } = limits.implementation
  return [
    { type: 'm.room.member', stateKey: creator, content: creatorContent },
    ...copied,
    ...links.slice(0, upgradeLinksMax),
    ...bans.slice(0, upgradeBansMax),
    { type: 'm.room.power_levels', stateKey: '', content: successorPowerLevels(succession) },
  ]
}

function copyOf(state: RoomState, type: string, stateKey: string): EventDraft[] {
  const event = state.get(type, stateKey)
  return event === undefined ? [] : [{ type, stateKey, content: event.pdu.content }]
}

function banOf(stateKey: string, content: JsonObject): EventDraft {
  const { reason } = content
  return { type: 'm.room.member', stateKey, content: { membership: 'ban', ...(reason === undefined ? {} : { reason }) } }
}

/** The old levels as the new version writes them. Creators are not listed where they stand above all; who no longer does is. */
function successorPowerLevels({ old, version, creator, additionalCreators }: Succession): JsonObject {
  const content = old.state.get('m.room.power_levels', '')?.pdu.content
  const create = old.state.get('m.room.create', '')?.pdu
  const levels = content === undefined ? {} : readable(content, old.version)
  const users = new Map(Object.entries(ownObject(levels, 'users') ?? {}))
  const highest = Math.max(FOUNDER_LEVEL, ...levelsIn(levels))
  const founders = create === undefined ? [] : creatorsOf(create, old.version)
  for (const founder of new Set([...founders, creator])) {
    const power = powerLevelOf(founder as UserId, content, create, old.version)
    if (power === Infinity) users.set(founder, highest)
    else if (content === undefined) users.set(founder, power)
  }
  if (version.creatorsHaveInfinitePower) for (const user of [creator, ...additionalCreators]) users.delete(user)
  return { ...levels, users: Object.fromEntries(users) }
}

/** What keeps people from going on in the old room: raised levels for messages and invites. Undefined when they are high enough. */
export function lockedPowerLevels(content: JsonObject | undefined, version: RoomVersion): JsonObject | undefined {
  const level = (name: string, fallback: number): number => readLevel(ownMember(content, name), version) ?? fallback
  const lock = Math.max(50, level('users_default', 0) + 1)
  const eventsDefault = Math.max(lock, level('events_default', 0))
  const invite = Math.max(lock, level('invite', 0))
  if (eventsDefault === level('events_default', 0) && invite === level('invite', 0)) return undefined
  return { ...content, events_default: eventsDefault, invite }
}

/** Levels that earlier versions wrote as text or fractions become integers; what is no level is left out. */
function readable(content: JsonObject, version: RoomVersion): JsonObject {
  const entries = Object.entries(content).flatMap(([name, value]): (readonly [string, JsonObject | number])[] => {
    if (isJsonObject(value)) return [[name, readable(value, version)]]
    const level = readLevel(value, version)
    return level !== undefined && isCanonicalInteger(level) ? [[name, level]] : []
  })
  return Object.fromEntries(entries)
}

function levelsIn(content: JsonObject): number[] {
  return Object.values(content).flatMap((value) => (isJsonObject(value) ? levelsIn(value) : typeof value === 'number' ? [value] : []))
}
