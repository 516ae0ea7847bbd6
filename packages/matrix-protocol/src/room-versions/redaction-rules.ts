/**
 * What survives a redaction.
 * @see https://spec.matrix.org/latest/client-server-api/#redactions
 */
export interface RedactionRules {
  readonly topLevel: readonly string[]
  /** By event type: all content, or these keys of it (`a.b`: only `b` of the object `a`). */
  readonly content: Readonly<Record<string, 'all' | readonly string[]>>
}

const POWER_LEVELS_V1 = ['ban', 'events', 'events_default', 'kick', 'redact', 'state_default', 'users', 'users_default'] as const

/** @see https://spec.matrix.org/latest/rooms/v1/#redactions */
export const REDACTION_V1: RedactionRules = {
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

/** @see https://spec.matrix.org/latest/rooms/v6/#redactions */
export const REDACTION_V6: RedactionRules = {
  ...REDACTION_V1,
  // Aliases lost their special place in the protocol.
  content: CONTENT_WITHOUT_ALIASES,
}

/** @see https://spec.matrix.org/latest/rooms/v8/#redactions */
export const REDACTION_V8: RedactionRules = {
  ...REDACTION_V6,
  // A redacted join rule must still say who may join.
  content: { ...REDACTION_V6.content, 'm.room.join_rules': ['join_rule', 'allow'] },
}

/** @see https://spec.matrix.org/latest/rooms/v9/#redactions */
export const REDACTION_V9: RedactionRules = {
  ...REDACTION_V8,
  // A redacted join must still pass the rule for restricted rooms.
  content: { ...REDACTION_V8.content, 'm.room.member': ['membership', 'join_authorised_via_users_server'] },
}

/** @see https://spec.matrix.org/latest/rooms/v11/#redactions */
export const REDACTION_V11: RedactionRules = {
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
