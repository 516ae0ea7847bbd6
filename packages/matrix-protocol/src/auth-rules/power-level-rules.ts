import type { Pdu } from '../events/pdu.ts'
import { parseUserId } from '../ids/ids.ts'
import { isJsonObject, type JsonObject, ownMember, ownObject } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { allowed, type AuthOutcome, denied } from './auth-event.ts'
import { creatorsOf, readLevel } from './power-levels.ts'
import type { RoomForRules } from './room-for-rules.ts'

const LEVELS = ['users_default', 'events_default', 'state_default', 'ban', 'redact', 'kick', 'invite'] as const
/** The levels as they are written in the names of rules. */
const NAMES = {
  users_default: 'users-default',
  events_default: 'events-default',
  state_default: 'state-default',
  ban: 'ban',
  redact: 'redact',
  kick: 'kick',
  invite: 'invite',
} as const satisfies Record<(typeof LEVELS)[number], string>

/** The rule that a change breaks; undefined when it breaks none. */
type Fault = Parameters<typeof denied>[0] | undefined

/**
 * Rule 10 (9 before version 12): nobody gives or takes more power than they have.
 * @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules
 */
export function authorisePowerLevels(pdu: Pdu, room: RoomForRules): AuthOutcome {
  const fault = faultOfContent(pdu.content, room)
  if (fault !== undefined) return denied(fault)
  // 10.5 The first power levels of a room: whoever may send them may choose.
  const current = room.powerLevels
  if (current === undefined) return allowed('power-levels.first.allowed')
  const change: LevelChange = { current, next: pdu.content, senderPower: room.powerOf(pdu.sender), version: room.version }
  const notificationRule = room.version.notificationLevelsChecked ? faultOfEntries(change, 'notifications') : undefined
  const rule = faultOfLevels(change) ?? faultOfEntries(change, 'events') ?? notificationRule ?? faultOfUsers(change, pdu.sender)
  // 10.11
  return rule === undefined ? allowed('power-levels.allowed') : denied(rule)
}

/** Rules 10.1 to 10.4: what the content must look like. */
function faultOfContent(content: JsonObject, room: RoomForRules): Fault {
  const { version } = room
  const isLevel = (value: unknown): boolean => readLevel(value, version) !== undefined
  // 10.1
  const badLevel = LEVELS.find((name) => ownMember(content, name) !== undefined && !isLevel(ownMember(content, name)))
  if (badLevel !== undefined) return `power-levels.${NAMES[badLevel]}`
  // 10.2
  for (const name of version.notificationLevelsChecked ? (['events', 'notifications'] as const) : (['events'] as const)) {
    const entries = ownMember(content, name)
    if (entries !== undefined && !(isJsonObject(entries) && Object.values(entries).every(isLevel))) return `power-levels.${name}`
  }
  // 10.3
  const users = ownMember(content, 'users')
  if (users === undefined) return undefined
  if (!isJsonObject(users) || !Object.values(users).every(isLevel)) return 'power-levels.users'
  if (!Object.keys(users).every((user) => parseUserId(user) !== undefined)) return 'power-levels.users'
  // 10.4 Infinity cannot be written down, so anything listed for a creator would be less.
  const listsCreator =
    version.creatorsHaveInfinitePower && creatorsOf(room.createEvent.pdu, version).some((user) => Object.hasOwn(users, user))
  return listsCreator ? 'power-levels.creator-listed' : undefined
}

interface LevelChange {
  readonly current: JsonObject
  readonly next: JsonObject
  readonly senderPower: number
  readonly version: RoomVersion
}

/** Rule 10.6: levels that were added, changed or removed. */
function faultOfLevels({ current, next, senderPower, version }: LevelChange): Fault {
  for (const name of LEVELS) {
    const before = readLevel(ownMember(current, name), version)
    const after = readLevel(ownMember(next, name), version)
    if (before === after) continue
    // 10.6.1
    if (before !== undefined && before > senderPower) return `power-levels.${NAMES[name]}.current`
    // 10.6.2
    if (after !== undefined && after > senderPower) return `power-levels.${NAMES[name]}.new`
  }
  return undefined
}

/** Rules 10.7 and 10.8: entries for types of events or notifications. */
function faultOfEntries(change: LevelChange, name: 'events' | 'notifications'): Fault {
  for (const { before, after } of changedEntries(change, name)) {
    // 10.7
    if (before !== undefined && before > change.senderPower) return `power-levels.${name}.current`
    // 10.8
    if (after !== undefined && after > change.senderPower) return `power-levels.${name}.new`
  }
  return undefined
}

/** Rules 10.9 and 10.10: the levels of users. */
function faultOfUsers(change: LevelChange, sender: string): Fault {
  for (const { key, before, after } of changedEntries(change, 'users')) {
    // 10.9 One may lower oneself, but not one's equals.
    if (key !== sender && before !== undefined && before >= change.senderPower) return 'power-levels.users.current'
    // 10.10
    if (after !== undefined && after > change.senderPower) return 'power-levels.users.new'
  }
  return undefined
}

function changedEntries(
  { current, next, version }: LevelChange,
  name: string,
): { key: string; before: number | undefined; after: number | undefined }[] {
  const before = ownObject(current, name)
  const after = ownObject(next, name)
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...keys]
    .map((key) => ({ key, before: readLevel(ownMember(before, key), version), after: readLevel(ownMember(after, key), version) }))
    .filter((entry) => entry.before !== entry.after)
}
