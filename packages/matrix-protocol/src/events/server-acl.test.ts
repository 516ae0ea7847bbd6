import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ServerName } from '../ids/ids.ts'
import type { JsonObject } from '../json/json-value.ts'
import { serverAclAllows } from './server-acl.ts'

const allows = (server: string, content: JsonObject | undefined): boolean => serverAclAllows(server as ServerName, content)

describe('a server', () => {
  test('is in where there is no list', () => expect(allows('evil.example', undefined)).toBe(true))

  test.each<readonly [string, JsonObject, boolean]>([
    ['good.example', {}, false],
    ['good.example', { allow: ['*'] }, true],
    ['good.example', { allow: '*' }, false],
    ['good.example', { allow: ['good.example'], deny: 5 }, true],
    ['evil.example', { allow: ['*'], deny: ['evil.example'] }, false],
    ['evil.example:8448', { allow: ['*'], deny: ['evil.example'] }, false],
    ['EVIL.example', { allow: ['*'], deny: ['Evil.EXAMPLE'] }, false],
    ['a.evil.example', { allow: ['*'], deny: ['evil.example'] }, true],
    ['a.evil.example', { allow: ['*'], deny: ['*.evil.example'] }, false],
    ['evil.example', { allow: ['*'], deny: ['*.evil.example'] }, true],
    ['evil1.example', { allow: ['evil?.example'] }, true],
    ['evil.example', { allow: ['evil?.example'] }, false],
    ['good.example', { allow: ['good.example:8448'] }, false],
    ['good.example', { allow: ['good?example', 7, null] }, true],
    ['goodxexample', { allow: ['good.example'] }, false],
    ['good.example', { allow: ['good.*(example)'] }, false],
    ['1.2.3.4', { allow: ['*'] }, true],
    ['1.2.3.4', { allow: ['*'], allow_ip_literals: 'false' }, true],
    ['1.2.3.4', { allow: ['*'], allow_ip_literals: false }, false],
    ['1.2.3.4:8448', { allow: ['*'], allow_ip_literals: false }, false],
    ['[::1]', { allow: ['*'], allow_ip_literals: false }, false],
    ['[::1]:8448', { allow: ['*'], allow_ip_literals: false }, false],
    ['[::1]:8448', { allow: ['[::1]'] }, true],
    ['1.2.3.4.example', { allow: ['*'], allow_ip_literals: false }, true],
    ['good.example', { allow: ['*'], allow_ip_literals: false }, true],
    ['evil.example', { allow: ['*'], deny: [5, null, 'evil.example'] }, false],
    ['good.example', { allow: [{}, 'good.example'], deny: [5] }, true],
  ])('%s with %j: %s', (server, content, expected) => expect(allows(server, content)).toBe(expected))
})

describe('a pattern', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 })
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 8 })

  test('matches what the regular expression that it stands for matches', () => {
    fc.assert(
      fc.property(text, pattern, (server, glob) => {
        const expression = glob
          .replaceAll('.', String.raw`\.`)
          .replaceAll('*', '.*')
          .replaceAll('?', '.')
        expect(allows(server, { allow: [glob] })).toBe(new RegExp(`^${expression}$`, 's').test(server))
      }),
      { numRuns: 2_000 },
    )
  })

  test('of nothing but stars costs no more than its length times that of the name', () => {
    expect(allows('a'.repeat(200), { allow: [`${'*a'.repeat(10_000)}b`] })).toBe(false)
    expect(allows('a'.repeat(200), { allow: [`${'a*'.repeat(100)}b`] })).toBe(false)
  })
})
