import { expect, test } from 'vitest'
import { describeMembership } from './membership-notice.ts'
import type { MembershipChange } from './membership-notice.ts'

const change: MembershipChange = { previous: undefined, next: 'join', senderName: 'Ada', targetName: 'Bob', self: false }

test.each<[string | undefined, Partial<MembershipChange>]>([
  ['Ada invited Bob', { next: 'invite' }],
  ['Bob joined', { next: 'join', previous: 'invite', self: true }],
  ['Bob left', { next: 'leave', previous: 'join', self: true }],
  ['Ada removed Bob', { next: 'leave', previous: 'join' }],
  ['Bob declined the invite', { next: 'leave', previous: 'invite', self: true }],
  ['Ada took back the invite of Bob', { next: 'leave', previous: 'invite' }],
  ['Ada banned Bob', { next: 'ban', previous: 'join' }],
  ['Ada lifted the ban of Bob', { next: 'leave', previous: 'ban' }],
  ['Bob is now called Rob', { next: 'join', previous: 'join', previousDisplayName: 'Bob', nextDisplayName: 'Rob', self: true }],
  [undefined, { next: 'join', previous: 'join', previousDisplayName: 'Bob', nextDisplayName: 'Bob', self: true }],
  [undefined, { next: 'nonsense' }],
])('%s', (text, changed) => {
  expect(describeMembership({ ...change, ...changed })).toBe(text)
})
