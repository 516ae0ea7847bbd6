import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseUserId } from '@kith/matrix-protocol'
import { chatLimits } from './limits.ts'
import { cleanDisplayName, usernameFrom } from './username.ts'

describe('usernames', () => {
  test.each([
    ['Ada', 'ada'],
    ['José Ñandú', 'jose-nandu'],
    ['  --Ada Lovelace!! ', 'ada-lovelace'],
    ['愛', 'user'],
    ['🌻', 'user'],
    ['a'.repeat(100), 'a'.repeat(chatLimits.usernameCharactersMax)],
    [`${'a'.repeat(chatLimits.usernameCharactersMax - 1)} b`, 'a'.repeat(chatLimits.usernameCharactersMax - 1)],
  ])('of %j is %s', (name, username) => {
    expect(usernameFrom(name)).toBe(username)
  })

  test('fit into a user id, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(parseUserId(`@${usernameFrom(name)}:example.org`)).toBeDefined()
        expect(usernameFrom(name)).toMatch(/^[a-z0-9][a-z0-9-]*$/)
      }),
    )
  })
})

describe('display names', () => {
  test('lose what is invisible or changes the direction of the text', () => {
    expect(cleanDisplayName(' Ada\n\u202eecalevoL\u0000 ')).toBe('Ada ecalevoL')
  })

  test('are cut between characters', () => {
    const cut = cleanDisplayName('🌻'.repeat(200))
    expect([...cut]).toHaveLength(chatLimits.displayNameCharactersMax)
    expect(cut.isWellFormed()).toBe(true)
  })
})
