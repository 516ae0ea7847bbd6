/**
 * What differs between room versions, as data: code asks for a flag, never for a version number.
 * @see https://spec.matrix.org/latest/rooms/
 */
export interface RoomVersion {
  readonly id: string
  /** Where an event's id comes from: a member of the event, or its reference hash in either alphabet of base64. */
  readonly eventIds: 'given' | 'hash-base64' | 'hash-base64url'
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** Events must be canonical JSON in the strict sense: integers of 53 bits and nothing else. */
  readonly strictCanonicalJson: boolean
  /** Servers' signing keys count only within their validity period. */
  readonly signingKeyValidityEnforced: boolean

  /** The room id is the id of the create event with another sigil; the create event has no `room_id`, and no event lists it in `auth_events`. */
  readonly roomIdIsCreateEvent: boolean
  /** Who created the room: `content.creator`, or the sender of the create event. */
  readonly creatorFrom: 'content' | 'sender'
  /** The creators stand above all power levels: they have infinite power, and may not be listed in `users`. */
  readonly creatorsHaveInfinitePower: boolean
  /** `additional_creators` of the create event names further creators. */
  readonly additionalCreators: boolean

  /** Aliases events are authorised by the domain in their state key alone. */
  readonly aliasesHaveOwnAuthRule: boolean
  /** Redactions are authorised by an own rule; otherwise they are accepted, and checked when they are applied. */
  readonly redactionsHaveOwnAuthRule: boolean
  /** Changes under `notifications` of the power levels are limited like the others. */
  readonly notificationLevelsChecked: boolean
  /** Power levels must be integers; otherwise text that looks like one counts too. */
  readonly integerPowerLevels: boolean
  /** Membership and join rule `knock`. */
  readonly knocking: boolean
  /** Join rule `restricted`, and `join_authorised_via_users_server`. */
  readonly restrictedJoins: boolean
  /** Join rule `knock_restricted`. */
  readonly knockRestrictedJoins: boolean

  /** Where a redaction names its target: a member of the event, or of its content. */
  readonly redactsIn: 'event' | 'content'
  readonly redaction: RedactionRules
}

/** What survives a redaction. */
export interface RedactionRules {
  readonly topLevel: readonly string[]
  /** By event type: all content, or these keys of it (`a.b`: only `b` of the object `a`). */
  readonly content: Readonly<Record<string, 'all' | readonly string[]>>
}

const POWER_LEVELS_V1 = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default'] as const

const REDACTION_V1: RedactionRules = {
  topLevel: [
    'event_id',
    'type',
    'room_id',
    'sender',
    'state_key',
    'content',
    'hashes',
    'signatures',
    'depth',
    'prev_events',
    'prev_state',
    'auth_events',
    'origin',
    'origin_server_ts',
    'membership',
  ],
  content: {
    'm.room.member': ['membership'],
    'm.room.create': ['creator'],
    'm.room.join_rules': ['join_rule'],
    'm.room.power_levels': POWER_LEVELS_V1,
    'm.room.aliases': ['aliases'],
    'm.room.history_visibility': ['history_visibility'],
  },
}

const { 'm.room.aliases': _aliases, ...CONTENT_WITHOUT_ALIASES } = REDACTION_V1.content

const REDACTION_V6: RedactionRules = {
  ...REDACTION_V1,
  // Aliases lost their special place in the protocol.
  content: CONTENT_WITHOUT_ALIASES,
}

const REDACTION_V8: RedactionRules = {
  ...REDACTION_V6,
  // A redacted join rule must still say who may join.
  content: { ...REDACTION_V6.content, 'm.room.join_rules': ['join_rule', 'allow'] },
}

const REDACTION_V9: RedactionRules = {
  ...REDACTION_V8,
  // A redacted join must still pass the rule for restricted rooms.
  content: { ...REDACTION_V8.content, 'm.room.member': ['membership', 'join_authorised_via_users_server'] },
}

const REDACTION_V11: RedactionRules = {
  // `origin`, `membership` and `prev_state` mean nothing at the top level.
  topLevel: REDACTION_V9.topLevel.filter((key) => !['origin', 'membership', 'prev_state'].includes(key)),
  content: {
    ...REDACTION_V9.content,
    'm.room.create': 'all',
    // A redacted invite through an identity server must still prove where it came from.
    'm.room.member': ['membership', 'join_authorised_via_users_server', 'third_party_invite.signed'],
    'm.room.power_levels': [...POWER_LEVELS_V1, 'invite'],
    // The target moved from the top level into the content.
    'm.room.redaction': ['redacts'],
  },
}

const V1: RoomVersion = {
  id: '1',
  eventIds: 'given',
  stateResolution: 'v1',
  strictCanonicalJson: false,
  signingKeyValidityEnforced: false,
  roomIdIsCreateEvent: false,
  creatorFrom: 'content',
  creatorsHaveInfinitePower: false,
  additionalCreators: false,
  aliasesHaveOwnAuthRule: true,
  redactionsHaveOwnAuthRule: true,
  notificationLevelsChecked: false,
  integerPowerLevels: false,
  knocking: false,
  restrictedJoins: false,
  knockRestrictedJoins: false,
  redactsIn: 'event',
  redaction: REDACTION_V1,
}

const V2: RoomVersion = {
  ...V1,
  id: '2',
  // Power events first, the rest along the mainline.
  stateResolution: 'v2',
}

const V3: RoomVersion = {
  ...V2,
  id: '3',
  // Nobody can choose the id of an event.
  eventIds: 'hash-base64',
  // Whether a redaction counts depends on an event that may not have arrived, so it is decided on application.
  redactionsHaveOwnAuthRule: false,
}

const V4: RoomVersion = {
  ...V3,
  id: '4',
  // Ids that need no escaping in a path.
  eventIds: 'hash-base64url',
}

const V5: RoomVersion = {
  ...V4,
  id: '5',
  // An expired key signs nothing.
  signingKeyValidityEnforced: true,
}

const V6: RoomVersion = {
  ...V5,
  id: '6',
  // Floats hash differently from one implementation to the next.
  strictCanonicalJson: true,
  // Aliases are ordinary state events.
  aliasesHaveOwnAuthRule: false,
  // `notifications` was forgotten among the limited keys.
  notificationLevelsChecked: true,
  redaction: REDACTION_V6,
}

const V7: RoomVersion = {
  ...V6,
  id: '7',
  // Membership and join rule `knock`.
  knocking: true,
}

const V8: RoomVersion = {
  ...V7,
  id: '8',
  // Members of one room may join another.
  restrictedJoins: true,
  redaction: REDACTION_V8,
}

const V9: RoomVersion = {
  ...V8,
  id: '9',
  // `join_authorised_via_users_server` survives redaction.
  redaction: REDACTION_V9,
}

const V10: RoomVersion = {
  ...V9,
  id: '10',
  // "50" is no power level.
  integerPowerLevels: true,
  // Knock unless one of the conditions lets the user in.
  knockRestrictedJoins: true,
}

const V11: RoomVersion = {
  ...V10,
  id: '11',
  // `creator` only repeated the sender.
  creatorFrom: 'sender',
  // `redacts` moved into the content, where it is signed and hashed like everything else.
  redactsIn: 'content',
  redaction: REDACTION_V11,
}

const V12: RoomVersion = {
  ...V11,
  id: '12',
  // Resolution starts from nothing and looks at the conflicted subgraph, so that state cannot be reset.
  stateResolution: 'v2.1',
  // The room id proves which create event is the room's.
  roomIdIsCreateEvent: true,
  // Nobody can take a room from those who made it.
  creatorsHaveInfinitePower: true,
  // More than one user may have made it.
  additionalCreators: true,
}

export const roomVersionsKnown: readonly RoomVersion[] = [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12]

/** The versions in which this implementation takes part. */
export const supportedRoomVersions: readonly RoomVersion[] = [V10, V11, V12]

/** The version for new rooms. */
export const DEFAULT_ROOM_VERSION = '12'

/** Undefined for versions that are unknown or in which this implementation takes no part. */
export function roomVersion(id: unknown): RoomVersion | undefined {
  return supportedRoomVersions.find((version) => version.id === id)
}
