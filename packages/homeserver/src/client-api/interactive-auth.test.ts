import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { type Json, TestNode } from './test-node.test-support.ts'

const password = 'correct horse'
const lifetimeMs = limits.implementation.interactiveSessionLifetimeMs
let node: TestNode

beforeEach(async () => {
  node = await TestNode.start()
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const dummy = (session?: string) => ({ type: 'm.login.dummy', ...(session === undefined ? {} : { session }) })
const register = async (username: string, auth?: object) =>
  node.call('POST', '/register', { username, ...(auth === undefined ? {} : { auth }) })

async function begin(username: string): Promise<string> {
  const { status, body } = await register(username)
  expect({ status, body }).toEqual({
    status: 401,
    body: { session: expect.any(String), flows: [{ stages: ['m.login.dummy'] }], params: {}, completed: [] },
  })
  return body.session
}

describe('sessions', () => {
  test('are used once, and end', async () => {
    const session = await begin('alice')
    expect(await register('alice', dummy(session))).toMatchObject({ status: 200 })
    expect(await register('bob', dummy(session))).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN' } })
    const late = await begin('carol')
    await node.world.clock.advance(lifetimeMs + 1)
    expect(await register('carol', dummy(late))).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN' } })
  })

  test('are bounded: the oldest goes first', async () => {
    const first = await begin('alice')
    const second = await begin('alice')
    for (let count = 0; count < limits.implementation.interactiveSessionsMax - 1; count++) await register('alice')
    expect(await register('alice', dummy(first))).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN' } })
    expect(await register('bob', dummy(second))).toMatchObject({ status: 401 })
    expect(await register('alice', dummy(await begin('alice')))).toMatchObject({ status: 200 })
  })

  test('open only what they were begun for', async () => {
    const alice = await node.register('alice', password)
    const { session } = (await alice.call('DELETE', '/devices/ONE', {})).body
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password, session }
    expect(await alice.call('DELETE', '/devices/TWO', { auth })).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN' } })
    expect(await alice.call('DELETE', '/devices/ONE', { auth })).toMatchObject({ status: 200 })
  })

  test('of one user let no other one through', async () => {
    const alice = await node.register('alice', password)
    const bob = await node.register('bob', 'his own')
    const { session } = (await alice.call('DELETE', '/devices/ONE', {})).body
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password, session }
    expect(await bob.call('DELETE', '/devices/ONE', { auth })).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN' } })
  })

  test('a wrong attempt keeps the session, and says what is wrong', async () => {
    const session = await begin('alice')
    const attempt = await register('alice', { type: 'm.login.recaptcha', session })
    expect(attempt).toMatchObject({ status: 401, body: { session, errcode: 'M_UNRECOGNIZED', error: expect.any(String), completed: [] } })
    expect(await register('alice', { session })).toMatchObject({ status: 401, body: { session } })
    expect(await register('alice', dummy(session))).toMatchObject({ status: 200 })
  })

  test('names are judged before the stages', async () => {
    await node.register('alice')
    expect(await register('alice')).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
  })
})

describe('fallback pages', () => {
  const path = (stage: string, session: string): string =>
    `/_matrix/client/v3/auth/${stage}/fallback/web?session=${encodeURIComponent(session)}`

  async function page(
    method: string,
    stage: string,
    session: string,
    form?: Record<string, string>,
  ): Promise<{ status: number; html: string; headers: Headers }> {
    const body = form === undefined ? {} : { body: new URLSearchParams(form) }
    const response = await node.clientApi(new Request(`http://node.test${path(stage, session)}`, { method, ...body }))
    return { status: response.status, html: await response.text(), headers: response.headers }
  }

  test('a stage passed on the page is passed for the client', async () => {
    const session = await begin('alice')
    const shown = await page('GET', 'm.login.dummy', session)
    expect(shown).toMatchObject({ status: 200, html: expect.stringContaining('<form method="post">') })
    expect(shown.headers.get('content-type')).toContain('text/html')
    expect(shown.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(await register('alice', { session })).toMatchObject({ status: 401 })
    expect(await page('POST', 'm.login.dummy', session, { session })).toMatchObject({
      status: 200,
      html: expect.stringContaining('onAuthDone'),
    })
    expect(await register('alice', { session })).toMatchObject({ status: 200 })
  })

  test('passwords on the page count as everywhere', async () => {
    const alice = await node.register('alice', password)
    const { session } = (await alice.call('DELETE', '/devices/ONE', {})).body
    expect(await page('POST', 'm.login.password', session, { user: 'alice', password: 'wrong' })).toMatchObject({
      status: 401,
      html: expect.stringContaining('role="alert"'),
    })
    expect(await alice.call('DELETE', '/devices/ONE', { auth: { session } })).toMatchObject({ status: 401 })
    expect(await page('POST', 'm.login.password', session, { user: 'alice', password })).toMatchObject({ status: 200 })
    expect(await alice.call('DELETE', '/devices/ONE', { auth: { session } })).toMatchObject({ status: 200 })
  })

  test('no page takes a password for a session that a stranger began', async () => {
    await node.register('alice', password)
    const change = { new_password: 'of the stranger', logout_devices: true }
    const { session } = (await node.call('POST', '/account/password', change)).body
    expect(await page('GET', 'm.login.password', session)).toMatchObject({ status: 404, html: expect.not.stringContaining('<form') })
    expect(await page('POST', 'm.login.password', session, { user: 'alice', password })).toMatchObject({ status: 404 })
    expect(await node.call('POST', '/account/password', { ...change, auth: { session } })).toMatchObject({ status: 401 })
    // In the request itself it is still whoever knows the password.
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password, session }
    expect(await node.call('POST', '/account/password', { ...change, auth })).toMatchObject({ status: 200 })
  })

  test('a stage that the session does not ask for passes nothing', async () => {
    const alice = await node.register('alice', password)
    const { session } = (await alice.call('DELETE', '/devices/ONE', {})).body
    expect(await page('POST', 'm.login.dummy', session, {})).toMatchObject({ status: 401 })
    expect(await alice.call('DELETE', '/devices/ONE', { auth: { session } })).toMatchObject({ status: 401 })
  })

  test('unknown stages and sessions have no page, and nothing given comes back as markup', async () => {
    expect(await page('GET', 'm.login.recaptcha', 'x')).toMatchObject({ status: 404 })
    const hostile = '"><script>alert(1)</script>'
    for (const method of ['GET', 'POST']) {
      const shown = await page(method, 'm.login.dummy', hostile, method === 'POST' ? { session: hostile } : undefined)
      expect(shown.status).toBe(404)
      expect(shown.html).not.toContain('alert(1)')
    }
  })
})

describe('registration tokens', () => {
  const validity = async (token: string, of: TestNode) =>
    of.call('GET', `/_matrix/client/v1/register/m.login.registration_token/validity?token=${token}`)

  test('where there are any, one of them is needed', async () => {
    await using guarded = await TestNode.start({ registrationTokens: ['sesame'] })
    const registerWith = async (username: string, auth: object): Promise<Json> => guarded.call('POST', '/register', { username, auth })
    expect(await registerWith('alice', dummy())).toMatchObject({
      status: 401,
      body: { flows: [{ stages: ['m.login.registration_token'] }] },
    })
    expect(await registerWith('alice', { type: 'm.login.registration_token', token: 'guess' })).toMatchObject({ status: 401 })
    expect(await registerWith('alice', { type: 'm.login.registration_token', token: 'sesame' })).toMatchObject({ status: 200 })
    expect(await validity('sesame', guarded)).toMatchObject({ status: 200, body: { valid: true } })
    expect(await validity('guess', guarded)).toMatchObject({ status: 200, body: { valid: false } })
  })

  test('cannot be guessed for long, neither in requests nor on the page', async () => {
    const type = 'm.login.registration_token'
    const { burst } = limits.implementation.registrationTokenChecks
    const limited = { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) } }
    await using guarded = await TestNode.start({ registrationTokens: ['sesame'] })
    const tryOut = async (token: string): Promise<Json> =>
      guarded.call('POST', '/register', { username: 'alice', auth: { type, token, session } })
    const tryOnPage = async (): Promise<number> => {
      const body = new URLSearchParams({ session, token: 'guess' })
      const url = `http://node.test/_matrix/client/v3/auth/${type}/fallback/web`
      return (await guarded.clientApi(new Request(url, { method: 'POST', body }))).status
    }
    const { session } = (await guarded.call('POST', '/register', { username: 'alice' })).body
    for (let count = 0; count < burst; count += 2) {
      expect(await tryOut('guess')).toMatchObject({ status: 401 })
      expect(await tryOnPage()).toBe(401)
    }
    expect(await tryOut('sesame')).toMatchObject(limited)
    expect(await tryOnPage()).toBe(429)
    await guarded.world.clock.advance(limits.implementation.registrationTokenChecks.returnMs)
    expect(await tryOut('sesame')).toMatchObject({ status: 200 })
  })

  test('are invalid where registration is closed, and cannot be tried out for long', async () => {
    expect(await validity('any', node)).toMatchObject({ status: 200, body: { valid: false } })
    for (let count = 1; count < limits.implementation.registrationTokenChecks.burst; count++) await validity('any', node)
    expect(await validity('any', node)).toMatchObject({
      status: 429,
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) },
    })
    await using closed = await TestNode.start({ openRegistration: false, registrationTokens: ['sesame'] })
    const auth = { type: 'm.login.registration_token', token: 'sesame' }
    await closed.call('POST', '/register', { username: 'alice', auth })
    expect(await validity('sesame', closed)).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })
})
