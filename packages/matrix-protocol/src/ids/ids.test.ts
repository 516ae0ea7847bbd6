import { describe, expect, test } from 'vitest'
import {
  localpartOf,
  makeUserId,
  parseEventId,
  parseLocalpart,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
  type RoomId,
  type ServerName,
  serverNameOf,
  serverNameOfRoomId,
  type UserId,
} from './ids.ts'

const hash = 'Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg'

describe('server names', () => {
  test.each([
    'matrix.org',
    'matrix.org:8888',
    '1.2.3.4',
    '1.2.3.4:1234',
    '[1234:5678::abcd]',
    '[1234:5678::abcd]:5678',
    'a'.repeat(255),
    `${'a'.repeat(255)}:65535`,
  ])('%s', (name) => expect(parseServerName(name)).toBe(name))
  test.each(['', 'a b', 'a/b', 'a:', 'a:123456', 'é', '[::1', 'a'.repeat(256), `${'a'.repeat(256)}:1`, 'a\n', 5, null, undefined])(
    'not %j',
    (name) => expect(parseServerName(name)).toBeUndefined(),
  )
})

describe('user ids', () => {
  test.each(['@alice:example.org', '@:example.org', '@A B/é:example.org:8448', '@a:[::1]', `@${'a'.repeat(250)}:b.c`])('%s', (id) =>
    expect(parseUserId(id)).toBe(id),
  )
  test.each([
    '@alice',
    'alice:example.org',
    '@alice:',
    '@alice:exa mple.org',
    '@a\0:b.c',
    '@\ud800:b.c',
    `@${'a'.repeat(251)}:b.c`,
    `@${'é'.repeat(126)}:b.c`,
    {},
  ])('not %j', (id) => expect(parseUserId(id)).toBeUndefined())

  test('have two parts', () => {
    const id = '@alice:example.org:8448' as UserId
    expect(localpartOf(id)).toBe('alice')
    expect(serverNameOf(id)).toBe('example.org:8448')
  })

  test('are made of the strict grammar', () => {
    expect(makeUserId('a.b_c=d-e/f+g', 'example.org' as ServerName)).toBe('@a.b_c=d-e/f+g:example.org')
    expect(() => makeUserId('Alice', 'example.org' as ServerName)).toThrow(RangeError)
    expect(() => makeUserId('a'.repeat(250), 'example.org' as ServerName)).toThrow(RangeError)
    expect(parseLocalpart('')).toBeUndefined()
  })
})

describe('room ids, event ids and aliases', () => {
  test.each(['!a:example.org', `!${hash}`])('%s', (id) => expect(parseRoomId(id)).toBe(id))
  test.each(['!', '!a', '!:example.org', `!${hash}a`, `$${hash}`, `!${hash.slice(1)}`])('not %s', (id) =>
    expect(parseRoomId(id)).toBeUndefined(),
  )
  test.each(['$a:example.org', `$${hash}`])('%s', (id) => expect(parseEventId(id)).toBe(id))
  test.each(['$', '$a', `!${hash}`, `$${hash.slice(1)}é`])('not %s', (id) => expect(parseEventId(id)).toBeUndefined())
  test('#a:example.org', () => expect(parseRoomAlias('#a:example.org')).toBe('#a:example.org'))
  test('not #:example.org', () => expect(parseRoomAlias('#:example.org')).toBeUndefined())

  test('only old room ids name a server', () => {
    expect(serverNameOfRoomId('!a:example.org' as RoomId)).toBe('example.org')
    expect(serverNameOfRoomId(`!${hash}` as RoomId)).toBeUndefined()
  })
})
