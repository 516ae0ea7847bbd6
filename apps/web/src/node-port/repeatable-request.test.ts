import { expect, test } from 'vitest'
import { isRepeatable } from './repeatable-request.ts'

test.each([
  ['GET', '/_matrix/client/v3/sync?timeout=30000', true],
  ['PUT', '/_matrix/client/v3/rooms/!r/send/m.room.message/1', true],
  ['DELETE', '/_matrix/client/v3/devices/D', true],
  ['POST', '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=1', true],
  ['POST', '/_matrix/client/v3/keys/upload', true],
  ['POST', '/_matrix/client/v3/keys/claim', true],
  ['POST', '/_matrix/client/v3/rooms/!r/receipt/m.read/$e', true],
  ['POST', '/_matrix/client/v3/join/!r?via=s', true],
  ['POST', '/_matrix/client/v3/createRoom', false],
  ['POST', '/_matrix/client/v3/register', false],
  ['POST', '/_matrix/client/v3/login', false],
  ['POST', '/_matrix/client/v3/rooms/!r/invite', false],
  ['POST', '/_matrix/media/v3/upload', false],
])('%s %s may be sent again: %s', (method, path, expected) => {
  expect(isRepeatable(method, `http://kith.test${path}`)).toBe(expected)
})
