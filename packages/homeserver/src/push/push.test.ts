import type { UserId } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultPushRules } from './default-rules.ts'
import { evaluatePush, type PushEvent, type PushSurroundings } from './evaluate.ts'
import { globMatches } from './glob.ts'

const bob = '@bob:example.org' as UserId
const rules = defaultPushRules(bob)
const surroundings: PushSurroundings = { userId: bob, displayName: 'Bobby B', joinedMembers: 5, senderMayNotify: () => false }

function message(content: PushEvent['content'], type = 'm.room.message'): PushEvent {
  return { type, sender: '@alice:example.org', room_id: '!room:example.org', content }
}

describe('predefined rules', () => {
  test.each([
    ['a message', message({ msgtype: 'm.text', body: 'hello' }), { notify: true, highlight: false }],
    ['a notice', message({ msgtype: 'm.notice', body: 'hello' }), { notify: false, highlight: false }],
    // The specification has no rules any more that look for names in texts.
    ['the display name in the text', message({ msgtype: 'm.text', body: 'well, bobby b, look' }), { notify: true, highlight: false }],
    ['everybody in the text', message({ msgtype: 'm.text', body: '@room' }), { notify: true, highlight: false }],
    ['a mention', message({ body: 'x', 'm.mentions': { user_ids: [bob] } }), { notify: true, highlight: true }],
    ['the name beside mentions of others', message({ body: 'Bobby B', 'm.mentions': {} }), { notify: true, highlight: false }],
    ['everybody, by somebody who may not', message({ body: 'x', 'm.mentions': { room: true } }), { notify: true, highlight: false }],
    ['an edit', message({ body: '*', 'm.relates_to': { rel_type: 'm.replace' } }), { notify: false, highlight: false }],
    ['a reaction', message({}, 'm.reaction'), { notify: false, highlight: false }],
    ['something encrypted', message({}, 'm.room.encrypted'), { notify: true, highlight: false }],
    [
      'somebody else joining',
      { ...message({ membership: 'join' }, 'm.room.member'), state_key: '@c:d' },
      { notify: false, highlight: false },
    ],
    ['an invite', { ...message({ membership: 'invite' }, 'm.room.member'), state_key: bob }, { notify: true, highlight: false }],
    ['the end of a room', { ...message({}, 'm.room.tombstone'), state_key: '' }, { notify: true, highlight: true }],
    ['a list of servers', { ...message({}, 'm.room.server_acl'), state_key: '' }, { notify: false, highlight: false }],
    ['a call', message({}, 'm.call.invite'), { notify: true, highlight: false }],
    ['state of a custom type', { ...message({}, 'x.y'), state_key: '' }, { notify: false, highlight: false }],
  ])('%s', (_name, event, verdict) => {
    expect(evaluatePush(rules, event, surroundings)).toMatchObject(verdict)
  })

  test('everybody, by somebody who may', () => {
    const event = message({ body: 'x', 'm.mentions': { room: true } })
    expect(evaluatePush(rules, event, { ...surroundings, senderMayNotify: () => true })).toMatchObject({ notify: true, highlight: true })
  })
})

test('the predefined rules are those of the specification, in their order', () => {
  const ids = (kind: keyof typeof rules) => rules[kind].map((rule) => rule.rule_id.replace('.m.rule.', ''))
  expect(ids('override')).toEqual(
    ['master', 'suppress_notices', 'invite_for_me', 'member_event', 'is_user_mention', 'is_room_mention', 'tombstone', 'reaction'].concat([
      'room.server_acl',
      'suppress_edits',
    ]),
  )
  expect(ids('underride')).toEqual(['call', 'encrypted_room_one_to_one', 'room_one_to_one', 'message', 'encrypted'])
  expect([...rules.content, ...rules.room, ...rules.sender]).toEqual([])
})

describe('conditions', () => {
  const matches = (condition: object, event: PushEvent, around = surroundings) => {
    const only = { rule_id: 'x', default: false, enabled: true, actions: ['notify'], conditions: [condition as never] }
    return evaluatePush({ override: [only], content: [], room: [], sender: [], underride: [] }, event, around).notify
  }
  const body = (pattern: string, text: string) => matches({ kind: 'event_match', key: 'content.body', pattern }, message({ body: text }))
  const topic = (value: unknown) =>
    matches({ kind: 'event_match', key: 'content.topic', pattern: 'lunc?*' }, message({ topic: value as string }))

  test('event_match looks at the whole of a property, and for whole words in a body', () => {
    expect([topic('Lunch plans'), topic('LUNCH')]).toEqual([true, true])
    expect([topic(' lunch'), topic('lunc'), topic(null), topic(undefined)]).toEqual([false, false, false, false])
    expect([body('ex*ple', 'An example event.'), body('ex*ple', 'exple'), body('ex*ple', 'An exciting triple-whammy')]).toEqual([
      true,
      true,
      true,
    ])
    expect([body('cake', 'cupcake'), body('cake', 'cake_'), body('cake', '(cake)'), body('cake', 'écakeé')]).toEqual([
      false,
      false,
      true,
      true,
    ])
    expect(matches({ kind: 'event_match', key: 'content.absent', pattern: '*' }, message({}))).toBe(false)
  })

  test('values are compared with their types', () => {
    const is = (value: unknown, found: unknown) =>
      matches({ kind: 'event_property_is', key: 'content.x', value }, message({ x: found as never }))
    expect([is(true, true), is(null, null), is(1, 1), is('a', 'a')]).toEqual([true, true, true, true])
    expect([is(true, 'true'), is(1, true), is(null, undefined), is('a', ['a'])]).toEqual([false, false, false, false])
    const contains = (value: unknown) =>
      matches({ kind: 'event_property_contains', key: 'content.x', value }, message({ x: ['a', 1, null, { b: 1 }] }))
    expect([contains('a'), contains(1), contains(null)]).toEqual([true, true, true])
    expect([contains('A'), contains('1'), contains({ b: 1 }), contains(undefined)]).toEqual([false, false, false, false])
  })

  test('a display name, members, permissions, and what is unknown', () => {
    const named = { kind: 'contains_display_name' }
    expect(matches(named, message({ body: 'well, bobby b, look' }))).toBe(true)
    expect(matches(named, message({ body: 'bobby bee' }))).toBe(false)
    const count = (is: string) => matches({ kind: 'room_member_count', is }, message({}))
    expect(['5', '==5', '<6', '>4', '<=5', '>=5'].map(count)).toEqual([true, true, true, true, true, true])
    expect(['4', '<5', '>5', '', '5.0', ' 5', '=5'].map(count)).toEqual(Array.from({ length: 7 }, () => false))
    expect(matches({ kind: 'sender_notification_permission', key: 'room' }, message({}))).toBe(false)
    expect(matches({ kind: 'of_the_future' }, message({}))).toBe(false)
  })

  test('actions of the past say nothing', () => {
    const old = { rule_id: 'x', default: false, enabled: true, actions: ['dont_notify', 'coalesce'], conditions: [] }
    expect(evaluatePush({ ...rules, override: [old] }, message({ body: 'x' }), surroundings).actions).toEqual([])
  })
})

test('conditions that are odd match nothing and throw nothing', () => {
  const condition = fc.dictionary(
    fc.constantFrom('kind', 'key', 'pattern', 'is', 'value'),
    fc.oneof(
      fc.constantFrom('event_match', 'event_property_is', 'event_property_contains', 'room_member_count', 'sender_notification_permission'),
      fc.constantFrom('content.__proto__.x', 'content\\', '..', '2', '<', ''),
      fc.jsonValue(),
    ),
  )
  fc.assert(
    fc.property(fc.array(condition, { maxLength: 4 }), (conditions) => {
      const odd = { rule_id: 'odd', default: false, enabled: true, actions: [], conditions: conditions as never }
      evaluatePush({ ...rules, override: [odd] }, message({ body: 'x' }), surroundings)
    }),
  )
})

test('globs agree with regular expressions', () => {
  const letters = fc.constantFrom('a', 'b', '*', '?', '.', ' ')
  const pattern = fc.array(letters, { maxLength: 6 }).map((parts) => parts.join(''))
  const text = fc.array(fc.constantFrom('a', 'b', 'B', '.', ' '), { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, text, (glob, value) => {
      const source = glob.replaceAll(/[.*+?^${}()|[\]\\]/g, (found) => (found === '*' ? '.*' : found === '?' ? '.' : `\\${found}`))
      expect(globMatches(glob, value)).toBe(new RegExp(`^${source}$`, 'is').test(value))
    }),
    { numRuns: 1000 },
  )
})

test('a pattern made to backtrack takes no time to speak of', () => {
  expect(globMatches('*a'.repeat(50), 'b'.repeat(5000), { words: true })).toBe(false)
})

test('rules that are many and long, against a long text, are given up, and the others are not', () => {
  const content = Array.from({ length: 1_000 }, (_, index) => {
    return { rule_id: `${index}`, default: false, enabled: true, actions: ['notify'], pattern: `${'*a'.repeat(400)}${index}` }
  })
  const underride = [{ rule_id: 'last', default: false, enabled: true, actions: ['notify'], conditions: [] }]
  const verdict = evaluatePush(
    { override: [], content, room: [], sender: [], underride },
    message({ body: 'a'.repeat(60_000) }),
    surroundings,
  )
  expect(verdict.notify).toBe(true)
})
