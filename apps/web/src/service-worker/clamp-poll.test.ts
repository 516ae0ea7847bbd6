import { expect, test } from 'vitest'
import { clampPoll } from './clamp-poll.ts'

test.each([
  ['/sync', '/sync'],
  ['/sync?timeout=0&since=a%2Fb+c', '/sync?timeout=0&since=a%2Fb+c'],
  ['/sync?timeout=30000', '/sync?timeout=30000'],
  ['/sync?timeout=30001&since=s1', '/sync?timeout=30000&since=s1'],
  ['/sync?timeout=1e9', '/sync?timeout=30000'],
  ['/sync?timeout=soon', '/sync?timeout=soon'],
])('%s becomes %s', (path, expected) => {
  expect(clampPoll(`http://kith.test${path}`, 30_000)).toBe(`http://kith.test${expected}`)
})
