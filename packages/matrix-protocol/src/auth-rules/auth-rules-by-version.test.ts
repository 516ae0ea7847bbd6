import { describe, expect, test } from 'vitest'
import { AUTH_RULES_EDITIONS } from '../room-versions/auth-rules-edition.ts'
import { supportedRoomVersions } from '../room-versions/room-version.ts'
import { authRuleNumber, authRules, type AuthRule } from './auth-rule.ts'
import published from './auth-rule-numbers.vectors.json' with { type: 'json' }
import { aliasesCases, authEventsCases, createCases, otherCases, roomCases } from './event-rule-cases.test-support.ts'
import { leaveCases } from './leave-rule-cases.test-support.ts'
import { memberCases } from './member-rule-cases.test-support.ts'
import { powerLevelCases } from './power-level-rule-cases.test-support.ts'
import { RoomFixture } from './room-fixture.ts'
import type { RuleCase } from './rule-case.test-support.ts'

/** The compiler, too, refuses a rule without a case. */
const cases: Readonly<Record<AuthRule, RuleCase>> = {
  ...createCases,
  ...roomCases,
  ...authEventsCases,
  ...aliasesCases,
  ...memberCases,
  ...leaveCases,
  ...powerLevelCases,
  ...otherCases,
}

describe.each(supportedRoomVersions)('v$id', (version) => {
  const rules = authRules.filter((rule) => authRuleNumber(rule, version) !== undefined)

  test.each(rules.map((rule) => [`v${version.id} / ${authRuleNumber(rule, version)} ${cases[rule].says}`, rule] as const))(
    '%s',
    (_, rule) => {
      const { hit, miss } = cases[rule]
      const isAllowed = rule.endsWith('.allowed')
      expect(hit(new RoomFixture(version))).toEqual({ kind: isAllowed ? 'allowed' : 'denied', rule })
      const missed = miss(new RoomFixture(version))
      expect(missed.kind).toBe(isAllowed ? 'denied' : 'allowed')
      expect(authRuleNumber(missed.rule, version)).toBeDefined()
    },
  )

  test('rules that this version does not have decide nothing in it', () => {
    for (const rule of authRules.filter((each) => authRuleNumber(each, version) === undefined)) {
      const decided = [cases[rule].hit, cases[rule].miss].map((attempt) => attempt(new RoomFixture(version)).rule)
      for (const each of decided) expect(authRuleNumber(each, version), `${rule} ${each}`).toBeDefined()
    }
  })

  test('every rule of its page is named, and no other', () => {
    const numbers = new Set(rules.map((rule) => authRuleNumber(rule, version)))
    expect(numbers).toEqual(new Set(published.editions[version.authRules].split(' ')))
  })
})

test('no rule lacks a case, and no case says something else than its rule does', () => {
  expect(Object.keys(cases).toSorted()).toEqual([...authRules].toSorted())
  const wrong = authRules.filter((rule) => !cases[rule].says.endsWith(rule.endsWith('.allowed') ? 'is allowed' : 'rejected'))
  expect(wrong).toEqual([])
})

test('every text of the rules is that of some version', () => {
  expect(new Set(supportedRoomVersions.map(({ authRules: edition }) => edition))).toEqual(new Set(AUTH_RULES_EDITIONS))
})
