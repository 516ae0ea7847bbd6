import type { AuthRulesEdition } from './auth-rules-edition.ts'
import { REDACTION_V1, REDACTION_V6, REDACTION_V8, REDACTION_V9, REDACTION_V11, type RedactionRules } from './redaction-rules.ts'

/**
 * What differs between room versions, as data: code asks for a flag, never for a version number.
 * @see https://spec.matrix.org/latest/rooms/
 */
export interface RoomVersion {
  readonly id: string
  /** What servers tell clients of it. @see https://spec.matrix.org/latest/client-server-api/#mroom_versions-capability */
  readonly stability: 'stable' | 'unstable'

  /** Where an event's id comes from: a member of the event, or its reference hash in either alphabet of base64. */
  readonly eventIds: 'given' | 'hash-base64' | 'hash-base64url'
  /** How `prev_events` and `auth_events` name events: by id, or by id together with hashes, since a chosen id proves nothing. */
  readonly eventReferences: 'ids-with-hashes' | 'ids'
  /** The server that the event id names must have signed the event, besides the sender's. */
  readonly eventIdServerSigns: boolean
  readonly stateResolution: 'v1' | 'v2' | 'v2.1'
  /** Events must be canonical JSON in the strict sense: integers of 53 bits and nothing else. */
  readonly strictCanonicalJson: boolean
  /** Servers' signing keys count only within their validity period; see signingKeyCounts. */
  readonly signingKeyValidityEnforced: boolean

  /** The room id is the id of the create event with another sigil; the create event has no `room_id`, and no event lists it in `auth_events`. */
  readonly roomIdIsCreateEvent: boolean
  /** Who created the room: `content.creator`, or the sender of the create event. */
  readonly creatorFrom: 'content' | 'sender'
  /** The creators stand above all power levels: they have infinite power, and may not be listed in `users`. */
  readonly creatorsHaveInfinitePower: boolean
  /** `additional_creators` of the create event names further creators. */
  readonly additionalCreators: boolean

  /** Which of the specification's texts of the auth rules applies, and so their numbers; what they say is in the other flags. */
  readonly authRules: AuthRulesEdition
  /** Aliases events are authorised by the domain in their state key alone. */
  readonly aliasesHaveOwnAuthRule: boolean
  /** Redactions are authorised by an own rule; otherwise they are accepted, and checked when they are applied. */
  readonly redactionsHaveOwnAuthRule: boolean
  /** Changes under `notifications` of the power levels are limited like the others. */
  readonly notificationLevelsChecked: boolean
  /** What counts as a power level: any number, cut off at the point; integers; and besides either, text of an integer. */
  readonly powerLevels: 'numbers-or-text' | 'integers-or-text' | 'integers'
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

/** @see https://spec.matrix.org/latest/rooms/v1/ */
const V1: RoomVersion = {
  id: '1',
  stability: 'stable',
  // https://spec.matrix.org/latest/rooms/v1/#event-ids
  eventIds: 'given',
  // https://spec.matrix.org/latest/rooms/v1/#event-format
  eventReferences: 'ids-with-hashes',
  // https://spec.matrix.org/latest/server-server-api/#validating-hashes-and-signatures-on-received-events
  eventIdServerSigns: true,
  // https://spec.matrix.org/latest/rooms/v1/#state-resolution
  stateResolution: 'v1',
  // https://spec.matrix.org/latest/rooms/v1/#canonical-json
  strictCanonicalJson: false,
  signingKeyValidityEnforced: false,
  roomIdIsCreateEvent: false,
  creatorFrom: 'content',
  creatorsHaveInfinitePower: false,
  additionalCreators: false,
  // https://spec.matrix.org/latest/rooms/v1/#authorisation-rules
  authRules: 'v1',
  aliasesHaveOwnAuthRule: true,
  redactionsHaveOwnAuthRule: true,
  notificationLevelsChecked: false,
  // https://spec.matrix.org/latest/rooms/v1/#mroompower_levels-events-accept-values-as-floats and …-as-strings
  powerLevels: 'numbers-or-text',
  knocking: false,
  restrictedJoins: false,
  knockRestrictedJoins: false,
  redactsIn: 'event',
  redaction: REDACTION_V1,
}

const V2: RoomVersion = {
  ...V1,
  id: '2',
  // Power events first, the rest along the mainline: https://spec.matrix.org/latest/rooms/v2/#state-resolution
  stateResolution: 'v2',
}

const V3: RoomVersion = {
  ...V2,
  id: '3',
  // Nobody can choose the id of an event: https://spec.matrix.org/latest/rooms/v3/#event-ids
  eventIds: 'hash-base64',
  // An id that is a hash needs no hash beside it: https://spec.matrix.org/latest/rooms/v3/#event-format
  eventReferences: 'ids',
  // It names no server either: https://spec.matrix.org/latest/rooms/v3/#authorisation-rules
  eventIdServerSigns: false,
  authRules: 'v3',
  // Whether a redaction counts depends on an event that may not have arrived, so it is decided on application:
  // https://spec.matrix.org/latest/rooms/v3/#handling-redactions
  redactionsHaveOwnAuthRule: false,
}

const V4: RoomVersion = {
  ...V3,
  id: '4',
  // Ids that need no escaping in a path: https://spec.matrix.org/latest/rooms/v4/#event-ids
  eventIds: 'hash-base64url',
}

const V5: RoomVersion = {
  ...V4,
  id: '5',
  // An expired key signs nothing: https://spec.matrix.org/latest/rooms/v5/#signing-key-validity-period
  signingKeyValidityEnforced: true,
}

const V6: RoomVersion = {
  ...V5,
  id: '6',
  // Floats hash differently from one implementation to the next: https://spec.matrix.org/latest/rooms/v6/#canonical-json
  strictCanonicalJson: true,
  // https://spec.matrix.org/latest/rooms/v6/#authorisation-rules
  authRules: 'v6',
  // Aliases are ordinary state events.
  aliasesHaveOwnAuthRule: false,
  // `notifications` was forgotten among the limited keys.
  notificationLevelsChecked: true,
  // Canonical JSON has no other numbers.
  powerLevels: 'integers-or-text',
  redaction: REDACTION_V6,
}

const V7: RoomVersion = {
  ...V6,
  id: '7',
  // https://spec.matrix.org/latest/rooms/v7/#authorisation-rules
  authRules: 'v7',
  // Membership and join rule `knock`.
  knocking: true,
}

const V8: RoomVersion = {
  ...V7,
  id: '8',
  // https://spec.matrix.org/latest/rooms/v8/#authorisation-rules
  authRules: 'v8',
  // Members of one room may join another.
  restrictedJoins: true,
  redaction: REDACTION_V8,
}

const V9: RoomVersion = {
  ...V8,
  id: '9',
  // `join_authorised_via_users_server` survives redaction: https://spec.matrix.org/latest/rooms/v9/#redactions
  redaction: REDACTION_V9,
}

const V10: RoomVersion = {
  ...V9,
  id: '10',
  // https://spec.matrix.org/latest/rooms/v10/#authorisation-rules
  authRules: 'v10',
  // "50" is no power level: https://spec.matrix.org/latest/rooms/v10/#values-in-mroompower_levels-events-must-be-integers
  powerLevels: 'integers',
  // Knock unless one of the conditions lets the user in.
  knockRestrictedJoins: true,
}

const V11: RoomVersion = {
  ...V10,
  id: '11',
  // https://spec.matrix.org/latest/rooms/v11/#authorisation-rules
  authRules: 'v11',
  // `creator` only repeated the sender: https://spec.matrix.org/latest/rooms/v11/#remove-the-creator-property-of-mroomcreate-events
  creatorFrom: 'sender',
  // `redacts` moved into the content, where it is signed and hashed like everything else:
  // https://spec.matrix.org/latest/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
  redactsIn: 'content',
  redaction: REDACTION_V11,
}

const V12: RoomVersion = {
  ...V11,
  id: '12',
  // Resolution starts from nothing and looks at the conflicted subgraph, so that state cannot be reset:
  // https://spec.matrix.org/latest/rooms/v12/#state-resolution
  stateResolution: 'v2.1',
  // The room id proves which create event is the room's: https://spec.matrix.org/latest/rooms/v12/#event-format
  roomIdIsCreateEvent: true,
  // https://spec.matrix.org/latest/rooms/v12/#authorisation-rules
  authRules: 'v12',
  // Nobody can take a room from those who made it.
  creatorsHaveInfinitePower: true,
  // More than one user may have made it.
  additionalCreators: true,
}

/** All room versions of the specification; this implementation takes part in each. */
export const supportedRoomVersions: readonly RoomVersion[] = [V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12]

/** The version for new rooms where nobody chose another. @see https://spec.matrix.org/latest/rooms/#complete-list-of-room-versions */
export const DEFAULT_ROOM_VERSION = '12'

const VERSION_WHEN_NONE_IS_NAMED = '1'

/** Undefined for versions that are unknown. @see https://spec.matrix.org/latest/rooms/#complete-list-of-room-versions */
export function roomVersion(id: unknown): RoomVersion | undefined {
  return supportedRoomVersions.find((version) => version.id === id)
}

/**
 * The version that a room's create event gives it, or that an answer of make_join means: 1 where none is named.
 * Undefined for versions that are unknown.
 * @see https://spec.matrix.org/latest/client-server-api/#mroomcreate
 */
export function roomVersionNamed(name: unknown): RoomVersion | undefined {
  return roomVersion(name ?? VERSION_WHEN_NONE_IS_NAMED)
}
