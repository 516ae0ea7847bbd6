import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestNode, type TestUser } from './test-node.test-support.ts'

let node: TestNode
let alice: TestUser

beforeAll(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
})

afterAll(async () => {
  await node[Symbol.asyncDispose]()
})

const mail = { client_secret: 'secret', email: 'alice@example.org', send_attempt: 1 }
const phone = { client_secret: 'secret', country: 'GB', phone_number: '07700900001', send_attempt: 1 }
const credentials = { client_secret: 'secret', id_server: 'example.org', id_access_token: 'token', sid: '1' }
const address = { medium: 'email', address: 'alice@example.org' }

test.each([
  ['POST', '/register/email/requestToken', mail, 403, 'M_THREEPID_DENIED'],
  ['POST', '/register/msisdn/requestToken', phone, 403, 'M_THREEPID_DENIED'],
  ['POST', '/account/3pid/email/requestToken', mail, 400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED'],
  ['POST', '/account/3pid/msisdn/requestToken', phone, 400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED'],
  ['POST', '/account/password/email/requestToken', mail, 400, 'M_THREEPID_NOT_FOUND'],
  ['POST', '/account/password/msisdn/requestToken', phone, 400, 'M_THREEPID_NOT_FOUND'],
  ['POST', '/account/3pid', { three_pid_creds: credentials }, 403, 'M_THREEPID_AUTH_FAILED'],
  ['POST', '/account/3pid/add', { client_secret: 'secret', sid: '1' }, 400, 'M_THREEPID_AUTH_FAILED'],
  ['POST', '/account/3pid/bind', credentials, 400, 'M_SERVER_NOT_TRUSTED'],
  ['GET', '/login/sso/redirect', undefined, 404, 'M_UNRECOGNIZED'],
  ['GET', '/login/sso/redirect/github', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/thirdparty/protocol/irc', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/thirdparty/location/irc', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/thirdparty/user/irc', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/thirdparty/location?alias=x', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/thirdparty/user?userid=x', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/_matrix/client/v1/auth_metadata', undefined, 404, 'M_UNRECOGNIZED'],
  ['GET', '/_matrix/client/unstable/org.matrix.msc2965/auth_metadata', undefined, 404, 'M_UNRECOGNIZED'],
  ['GET', '/.well-known/matrix/support', undefined, 404, 'M_NOT_FOUND'],
  ['GET', '/.well-known/matrix/policy_server', undefined, 404, 'M_NOT_FOUND'],
])('%s %s says that it is not offered', async (method, path, body, status, errcode) => {
  expect(await alice.call(method, path, body)).toMatchObject({ status, body: { errcode, error: expect.any(String) } })
})

test('what was never bound is as good as unbound', async () => {
  for (const path of ['/account/3pid/delete', '/account/3pid/unbind'])
    expect(await alice.ok('POST', path, address)).toEqual({ id_server_unbind_result: 'no-support' })
  expect(await alice.ok('GET', '/account/3pid')).toEqual({ threepids: [] })
  expect(await alice.ok('GET', '/thirdparty/protocols')).toEqual({})
})

test('a body that the specification does not know is refused before', async () => {
  const bad = { status: 400, body: { errcode: 'M_BAD_JSON' } }
  expect(await node.call('POST', '/register/email/requestToken', { ...mail, send_attempt: 'one' })).toMatchObject(bad)
  expect(await alice.call('POST', '/account/3pid/delete', { medium: 'pigeon', address: 'x' })).toMatchObject(bad)
})
