import type { UserId } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultPushRules } from './default-rules.ts'
import { evaluatePushRules, type PushEvent, type PushSurroundings } from './evaluate.ts'
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
    ['the display name', message({ msgtype: 'm.text', body: 'well, bobby b, look' }), { notify: true, highlight: true }],
    ['the display name within a word', message({ msgtype: 'm.text', body: 'bobby bee' }), { notify: true, highlight: false }],
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
    ['state of a custom type', { ...message({}, 'x.y'), state_key: '' }, { notify: false, highlight: false }],
  ])('%s', (_name, event, verdict) => {
    expect(evaluatePushRules(rules, event, surroundings)).toEqual(verdict)
  })

  test('everybody, by somebody who may', () => {
    const event = message({ body: 'x', 'm.mentions': { room: true } })
    expect(evaluatePushRules(rules, event, { ...surroundings, senderMayNotify: () => true })).toEqual({ notify: true, highlight: true })
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
      evaluatePushRules({ ...rules, override: [odd] }, message({ body: 'x' }), surroundings)
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
