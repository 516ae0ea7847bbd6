import type { UserId } from '@kith/matrix-protocol'
import type { PushCondition, PushRule, PushRuleset } from './push-rule.ts'

const notify = ['notify'] as const
const notifyWithSound = ['notify', { set_tweak: 'sound', value: 'default' }] as const
const highlight = ['notify', { set_tweak: 'highlight' }] as const
const highlightWithSound = ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight' }] as const
const ring = ['notify', { set_tweak: 'sound', value: 'ring' }] as const

function rule(ruleId: string, actions: PushRule['actions'], conditions: readonly PushCondition[], enabled = true): PushRule {
  return { rule_id: ruleId, default: true, enabled, conditions, actions }
}

function matches(key: string, pattern: string): PushCondition {
  return { kind: 'event_match', key, pattern }
}

function is(key: string, value: string | boolean): PushCondition {
  return { kind: 'event_property_is', key, value }
}

/**
 * The predefined rules for a user. Names in a message's text are no mentions any more (spec v1.17).
 * @see https://spec.matrix.org/latest/client-server-api/#predefined-rules
 */
export function defaultPushRules(userId: UserId): PushRuleset {
  return {
    override: [
      rule('.m.rule.master', [], [], false),
      rule('.m.rule.suppress_notices', [], [matches('content.msgtype', 'm.notice')]),
      rule('.m.rule.invite_for_me', notifyWithSound, [
        matches('type', 'm.room.member'),
        matches('content.membership', 'invite'),
        matches('state_key', userId),
      ]),
      rule('.m.rule.member_event', [], [matches('type', 'm.room.member')]),
      rule('.m.rule.is_user_mention', highlightWithSound, [
        { kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId },
      ]),
      rule('.m.rule.is_room_mention', highlight, [
        is('content.m\\.mentions.room', true),
        { kind: 'sender_notification_permission', key: 'room' },
      ]),
      rule('.m.rule.tombstone', highlight, [matches('type', 'm.room.tombstone'), matches('state_key', '')]),
      rule('.m.rule.reaction', [], [matches('type', 'm.reaction')]),
      rule('.m.rule.room.server_acl', [], [matches('type', 'm.room.server_acl'), matches('state_key', '')]),
      rule('.m.rule.suppress_edits', [], [is('content.m\\.relates_to.rel_type', 'm.replace')]),
    ],
    content: [],
    room: [],
    sender: [],
    underride: [
      rule('.m.rule.call', ring, [matches('type', 'm.call.invite')]),
      rule('.m.rule.encrypted_room_one_to_one', notifyWithSound, [
        { kind: 'room_member_count', is: '2' },
        matches('type', 'm.room.encrypted'),
      ]),
      rule('.m.rule.room_one_to_one', notifyWithSound, [{ kind: 'room_member_count', is: '2' }, matches('type', 'm.room.message')]),
      rule('.m.rule.message', notify, [matches('type', 'm.room.message')]),
      rule('.m.rule.encrypted', notify, [matches('type', 'm.room.encrypted')]),
    ],
  }
}
