import { expect, test } from 'vitest'
import { explainFailure } from './explain-failure.ts'

test.each([
  ['a full disk', new DOMException('', 'QuotaExceededError'), /no room left/],
  [
    'a full disk below the storage engine',
    new Error('commit failed', { cause: new DOMException('', 'QuotaExceededError') }),
    /no room left/,
  ],
  ['private browsing', new DOMException('', 'SecurityError'), /does not let Kith keep data/],
  ['data of a newer version', new DOMException('', 'VersionError'), /newer version/],
  ['a file that did not load', new TypeError('Failed to fetch dynamically imported module: http://x'), /could not be loaded/],
  ['anything else', 'a string', /could not start/],
])('%s is explained', (_, error, message) => {
  expect(explainFailure(error).message).toMatch(message)
  expect(explainFailure(error).whatToDo).not.toBe('')
})
