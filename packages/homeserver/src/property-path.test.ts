import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePropertyPath, propertyAt } from './property-path.ts'

test('names with dots and backslashes are escaped; any other backslash stands for itself', () => {
  expect(parsePropertyPath('content.m\\.relates_to.rel_type')).toEqual(['content', 'm.relates_to', 'rel_type'])
  expect(parsePropertyPath('content.m\\\\foo')).toEqual(['content', 'm\\foo'])
  // An escaped backslash before a dot does not escape the dot.
  expect(parsePropertyPath('a\\\\.b')).toEqual(['a\\', 'b'])
  expect(parsePropertyPath('a\\x')).toEqual(['a\\x'])
})

test('whatever the names, their path leads back to them', () => {
  const name = fc.array(fc.constantFrom('a', '.', '\\'), { maxLength: 4 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), (names) => {
      const path = names.map((part) => part.replaceAll(/[.\\]/g, '\\$&')).join('.')
      expect(parsePropertyPath(path)).toEqual(names)
    }),
  )
})

test('only what an object itself has is found', () => {
  expect(propertyAt({ a: { b: null } }, ['a', 'b'])).toBe(null)
  expect(propertyAt({ a: 'text' }, ['a', 'length'])).toBe(undefined)
  expect(propertyAt({}, ['constructor'])).toBe(undefined)
})
