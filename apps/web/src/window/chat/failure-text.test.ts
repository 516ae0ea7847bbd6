import { expect, test } from 'vitest'
import { describeFailure } from './failure-text.ts'
import { NodeRefusal } from './node-api.ts'

class SdkError extends Error {
  readonly errcode = 'M_UNREACHABLE'
  readonly httpStatus = 502
  readonly data = { error: 'no path' }
}

test('failures become sentences', () => {
  expect(describeFailure(new TypeError('fetch failed'))).toContain('own server')
  expect(describeFailure(new SdkError(), 'Bob')).toBe('Bob cannot be reached at the moment. Try again when they are online.')
  expect(describeFailure(new RangeError('x'))).toContain('on this device')
  expect(describeFailure(new SdkError())).toContain('Nobody in this chat')
  expect(describeFailure(new NodeRefusal(403, { errcode: 'M_FORBIDDEN', error: 'Not invited' }))).toBe('Not invited')
  expect(describeFailure(new NodeRefusal(429, { errcode: 'M_LIMIT_EXCEEDED' }))).toContain('Too many')
})
