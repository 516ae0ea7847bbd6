import { expect, test } from 'vitest'
import { routeOf } from './route.ts'

test.each([
  ['', { kind: 'list' }],
  ['#/', { kind: 'list' }],
  ['#/room/!a%3Ab', { kind: 'room', roomId: '!a:b' }],
  ['#/room/%E0%A4%A', { kind: 'list' }],
])('%j leads to its screen', (hash, route) => {
  expect(routeOf(hash)).toEqual(route)
})

test('a broken invite link leads to the screen that says so', () => {
  expect(routeOf('#/contact/x')).toMatchObject({ kind: 'contact', outcome: { kind: 'invalid' } })
})
