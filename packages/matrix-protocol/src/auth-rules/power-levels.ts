import type { Pdu } from '../events/pdu.ts'
import { parseUserId, type UserId } from '../ids/ids.ts'
import { isCanonicalInteger, type JsonObject, ownMember, ownObject } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'

/** The part of the create event that says who created the room. */
export type CreateEventParts = Pick<Pdu, 'sender' | 'content'>

export type PowerLevelAction = 'ban' | 'kick' | 'invite' | 'redact'

const ACTION_DEFAULTS: Readonly<Record<PowerLevelAction, number>> = { ban: 50, kick: 50, invite: 0, redact: 50 }
const STATE_DEFAULT = 50
const EVENTS_DEFAULT = 0
/** What the creator has while no power levels are set. */
const CREATOR_DEFAULT = 100
const LEVEL_TEXT = /^\s*[+-]?[0-9]+\s*$/

/** Those who created the room, as this version counts them. @see https://spec.matrix.org/latest/rooms/v12/#event-format */
export function creatorsOf(createEvent: CreateEventParts, version: RoomVersion): readonly string[] {
  const creator = version.creatorFrom === 'sender' ? createEvent.sender : ownMember(createEvent.content, 'creator')
  const creators = typeof creator === 'string' ? [creator] : []
  const additional = version.additionalCreators ? ownMember(createEvent.content, 'additional_creators') : undefined
  if (!Array.isArray(additional)) return creators
  return [...creators, ...additional.map((user: unknown) => parseUserId(user)).filter((user) => user !== undefined)]
}

/**
 * What a user may do.
 * @param powerLevels the content of the room's power levels, undefined while there are none.
 * @returns Infinity for creators in versions where nobody stands above them.
 * @see https://spec.matrix.org/latest/client-server-api/#mroompower_levels
 */
export function powerLevelOf(
  userId: UserId,
  powerLevels: JsonObject | undefined,
  createEvent: CreateEventParts | undefined,
  version: RoomVersion,
): number {
  const isCreator = createEvent !== undefined && creatorsOf(createEvent, version).includes(userId)
  if (isCreator && version.creatorsHaveInfinitePower) return Infinity
  if (powerLevels === undefined) return isCreator ? CREATOR_DEFAULT : 0
  return levelIn(ownObject(powerLevels, 'users'), userId, version) ?? levelIn(powerLevels, 'users_default', version) ?? 0
}

/** The power needed to ban, kick, invite or redact. @see https://spec.matrix.org/latest/client-server-api/#mroompower_levels */
export function requiredPowerForAction(action: PowerLevelAction, powerLevels: JsonObject | undefined, version: RoomVersion): number {
  return levelIn(powerLevels, action, version) ?? ACTION_DEFAULTS[action]
}

/**
 * The power needed to send an event of this type. Memberships are governed by the actions instead.
 * @see https://spec.matrix.org/latest/client-server-api/#mroompower_levels
 */
export function requiredPowerForEvent(type: string, isState: boolean, powerLevels: JsonObject | undefined, version: RoomVersion): number {
  const level = levelIn(ownObject(powerLevels, 'events'), type, version)
  if (level !== undefined) return level
  return isState
    ? (levelIn(powerLevels, 'state_default', version) ?? STATE_DEFAULT)
    : (levelIn(powerLevels, 'events_default', version) ?? EVENTS_DEFAULT)
}

/**
 * A power level as this version reads it; undefined when it is none.
 * @see https://spec.matrix.org/latest/rooms/v1/#mroompower_levels-events-accept-values-as-strings and …-as-floats
 */
export function readLevel(value: unknown, version: RoomVersion): number | undefined {
  if (version.powerLevels === 'integers') return isCanonicalInteger(value) ? value : undefined
  const number = typeof value === 'string' && LEVEL_TEXT.test(value) ? Number(value) : value
  if (version.powerLevels === 'integers-or-text') return isCanonicalInteger(number) ? number : undefined
  return typeof number === 'number' && Number.isFinite(number) ? Math.trunc(number) : undefined
}

function levelIn(object: JsonObject | undefined, key: string, version: RoomVersion): number | undefined {
  return readLevel(ownMember(object, key), version)
}
