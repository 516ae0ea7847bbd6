import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { StorageFullError } from '../ports/storage.ts'
import { type Json, TestNode, TestUser } from './test-node.test-support.ts'

const password = 'correct horse'
let node: TestNode

beforeEach(async () => {
  node = await TestNode.start()
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

function pass(userId: string, session?: string): object {
  const identifier = { type: 'm.id.user', user: userId }
  return { auth: { type: 'm.login.password', identifier, password, ...(session === undefined ? {} : { session }) } }
}

async function logIn(body: object): Promise<Json> {
  const reply = await node.call('POST', '/login', body)
  expect(reply.status).toBe(200)
  return reply.body
}

const passwordLogin = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password }
const whoami = async (token: string) => node.call('GET', '/account/whoami', undefined, token)
const refresh = async (token: string) => node.call('POST', '/refresh', { refresh_token: token })
const v1 = (path: string): string => `/_matrix/client/v1${path}`

describe('renewed tokens', () => {
  test('whoever asks for none gets tokens without end', async () => {
    await node.register('alice', password)
    const login = await logIn(passwordLogin)
    expect(login).not.toHaveProperty('refresh_token')
    expect(login).not.toHaveProperty('expires_in_ms')
    await node.world.clock.advance(10 * limits.implementation.accessTokenLifetimeMs)
    expect(await whoami(login.access_token)).toMatchObject({ status: 200 })
  })

  test('an expired token is a soft logout, and is renewed; also after a restart', async () => {
    const { body: alice } = await node.call('POST', '/register', {
      username: 'alice',
      refresh_token: true,
      auth: { type: 'm.login.dummy' },
    })
    expect(alice.expires_in_ms).toBe(limits.implementation.accessTokenLifetimeMs)
    await node.world.clock.advance(alice.expires_in_ms - 1)
    expect(await whoami(alice.access_token)).toMatchObject({ status: 200 })
    await node.world.clock.advance(1)
    const expired = { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true } }
    expect(await whoami(alice.access_token)).toMatchObject(expired)
    await node.restart()
    expect(await whoami(alice.access_token)).toMatchObject(expired)
    const renewed = await refresh(alice.refresh_token)
    expect(renewed).toMatchObject({ status: 200, body: { expires_in_ms: alice.expires_in_ms } })
    expect(await whoami(renewed.body.access_token)).toMatchObject({ status: 200, body: { device_id: alice.device_id } })
  })

  test('the old refresh token works until a new token is used, and never again', async () => {
    await node.register('alice', password)
    const first = await logIn({ ...passwordLogin, refresh_token: true })
    const lost = (await refresh(first.refresh_token)).body
    const second = (await refresh(first.refresh_token)).body
    expect(await whoami(lost.access_token)).toMatchObject({ status: 401, body: { soft_logout: false } })
    expect(await refresh(lost.refresh_token)).toMatchObject({ status: 401 })
    expect(await whoami(second.access_token)).toMatchObject({ status: 200 })
    await node.restart()
    expect(await refresh(first.refresh_token)).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: true } })
    expect(await whoami(first.access_token)).toMatchObject({ status: 401 })
    expect(await whoami(second.access_token)).toMatchObject({ status: 200 })
  })

  test('neither kind of token passes for the other', async () => {
    await node.register('alice', password)
    const login = await logIn({ ...passwordLogin, refresh_token: true })
    expect(await whoami(login.refresh_token)).toMatchObject({ status: 401 })
    expect(await refresh(login.access_token)).toMatchObject({ status: 401 })
  })

  test('on a full disk a new token works, and the old one ends when there is room again', async () => {
    await node.register('alice', password)
    const first = await logIn({ ...passwordLogin, refresh_token: true })
    const second = (await refresh(first.refresh_token)).body
    node.storageFault = () => {
      throw new StorageFullError('full')
    }
    expect(await refresh(first.refresh_token)).toMatchObject({ status: 507 })
    expect(await whoami(second.access_token)).toMatchObject({ status: 200 })
    expect(await whoami(first.access_token)).toMatchObject({ status: 200 })
    node.storageFault = undefined
    expect(await whoami(second.access_token)).toMatchObject({ status: 200 })
    expect(await whoami(first.access_token)).toMatchObject({ status: 401 })
  })

  test('a device that goes while its tokens are renewed is gone', async () => {
    const alice = await node.register('alice', password)
    const login = await logIn({ ...passwordLogin, refresh_token: true })
    const path = `/devices/${login.device_id}`
    const [deleted, renewed] = await Promise.all([alice.call('DELETE', path, pass(alice.userId)), refresh(login.refresh_token)])
    expect(deleted.status).toBe(200)
    for (const token of [login.access_token, renewed.body.access_token])
      expect(await whoami(token ?? 'none')).toMatchObject({ status: 401 })
    await node.restart()
    for (const token of [login.access_token, renewed.body.access_token])
      expect(await whoami(token ?? 'none')).toMatchObject({ status: 401 })
    expect((await alice.ok('GET', '/devices')).devices.map((device: Json) => device.device_id)).toEqual([alice.deviceId])
  })
})

describe('login tokens', () => {
  test('let one client in, once, soon, and only whoever asked for them with a password', async () => {
    const alice = await node.register('alice', password)
    expect((await node.call('GET', '/login')).body.flows).toContainEqual({ type: 'm.login.token', get_login_token: true })
    expect((await alice.ok('GET', '/capabilities')).capabilities['m.get_login_token']).toEqual({ enabled: true })
    const challenge = await alice.call('POST', v1('/login/get_token'), {})
    expect(challenge).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.password'] }] } })
    const { login_token: token, expires_in_ms: lifetime } = await alice.ok('POST', v1('/login/get_token'), pass(alice.userId))
    expect(lifetime).toBe(120_000)
    await node.world.clock.advance(lifetime - 1)
    const login = await logIn({ type: 'm.login.token', token, device_id: 'PHONE' })
    expect(login).toMatchObject({ user_id: alice.userId, device_id: 'PHONE' })
    const refused = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
    expect(await node.call('POST', '/login', { type: 'm.login.token', token })).toMatchObject(refused)
    const late = await alice.ok('POST', v1('/login/get_token'), pass(alice.userId))
    await node.world.clock.advance(lifetime)
    expect(await node.call('POST', '/login', { type: 'm.login.token', token: late.login_token })).toMatchObject(refused)
  })

  test('of two logins with one token at the same moment one succeeds', async () => {
    const alice = await node.register('alice', password)
    const { login_token: token } = await alice.ok('POST', v1('/login/get_token'), pass(alice.userId))
    const replies = await Promise.all([1, 2].map(async () => node.call('POST', '/login', { type: 'm.login.token', token })))
    expect(replies.map((reply) => reply.status).toSorted((one, other) => one - other)).toEqual([200, 403])
  })

  test('end with the password that they were asked for with, and when all devices are logged out', async () => {
    const alice = await node.register('alice', password)
    const refused = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
    const { login_token: stolen } = await alice.ok('POST', v1('/login/get_token'), pass(alice.userId))
    await alice.ok('POST', '/account/password', { ...pass(alice.userId), new_password: 'another', logout_devices: false })
    expect(await node.call('POST', '/login', { type: 'm.login.token', token: stolen })).toMatchObject(refused)
    const bob = await node.register('bob', password)
    const { login_token: left } = await bob.ok('POST', v1('/login/get_token'), pass(bob.userId))
    await bob.ok('POST', '/logout/all')
    expect(await node.call('POST', '/login', { type: 'm.login.token', token: left })).toMatchObject(refused)
  })

  test('a session that was passed once is asked again', async () => {
    const alice = await node.register('alice', password)
    const challenge = await alice.call('POST', v1('/login/get_token'), {})
    const passed = pass(alice.userId, challenge.body.session)
    expect(await alice.call('POST', v1('/login/get_token'), passed)).toMatchObject({ status: 200 })
    expect(await alice.call('POST', v1('/login/get_token'), passed)).toMatchObject({ status: 401 })
  })

  test('an account without a password cannot', async () => {
    const bob = await node.register('bob')
    expect(await bob.call('POST', v1('/login/get_token'), {})).toMatchObject({ status: 400 })
    expect((await bob.ok('GET', '/capabilities')).capabilities).toMatchObject({
      'm.get_login_token': { enabled: false },
      'm.change_password': { enabled: false },
    })
  })
})

describe('devices', () => {
  test('a login on a device that is there ends its earlier tokens and keeps its name', async () => {
    await node.register('alice', password)
    const first = await logIn({ ...passwordLogin, device_id: 'D', initial_device_display_name: 'first' })
    const second = await logIn({ ...passwordLogin, device_id: 'D', initial_device_display_name: 'second' })
    expect(await whoami(first.access_token)).toMatchObject({ status: 401 })
    expect(await node.call('GET', '/devices/D', undefined, second.access_token)).toMatchObject({ body: { display_name: 'first' } })
  })

  test('a crash leaves the old password with the old sessions, or the new one without them', async () => {
    const outcomes = new Set<string>()
    for (let survived = 0; survived < 4; survived++) {
      await using fragile = await TestNode.start()
      const alice = await fragile.register('alice', password)
      const other = (await fragile.call('POST', '/login', passwordLogin)).body
      let commits = 0
      fragile.storageFault = () => {
        if (++commits > survived) throw new StorageFullError('full')
      }
      const changed = await alice.call('POST', '/account/password', { new_password: 'another', ...pass(alice.userId) })
      await fragile[Symbol.asyncDispose]()
      fragile.storageFault = undefined
      await fragile.start()
      const isIn = (await fragile.call('GET', '/account/whoami', undefined, other.access_token)).status === 200
      const isOld = (await fragile.call('POST', '/login', passwordLogin)).status === 200
      outcomes.add(`${changed.status}, the ${isOld ? 'old' : 'new'} password, the other session ${isIn ? 'is there' : 'is gone'}`)
    }
    expect(outcomes).toEqual(
      new Set(['507, the old password, the other session is there', '200, the new password, the other session is gone']),
    )
  })

  test('a login with the old password while it is changed is no way in', async () => {
    for (let turn = 0; turn < 60; turn++) {
      await using busy = await TestNode.start()
      const alice = await busy.register('alice', password)
      const changing = alice.call('POST', '/account/password', { new_password: 'another', ...pass(alice.userId) })
      for (let step = 0; step < turn; step++) await Promise.resolve()
      const [changed, login] = await Promise.all([changing, busy.call('POST', '/login', passwordLogin)])
      expect(changed.status).toBe(200)
      expect(await busy.call('GET', '/account/whoami', undefined, login.body.access_token ?? 'none')).toMatchObject({ status: 401 })
    }
  })

  test('removing one that is gone already succeeds', async () => {
    const alice = await node.register('alice', password)
    await alice.ok('DELETE', '/devices/NOWHERE', pass(alice.userId))
    await alice.ok('POST', '/delete_devices', { devices: ['NOWHERE', 'NOWHERE'], ...pass(alice.userId) })
  })

  test('logging out everywhere ends every session, renewable ones too', async () => {
    const alice = await node.register('alice', password)
    const other = await logIn({ ...passwordLogin, refresh_token: true })
    await alice.ok('POST', '/logout/all')
    for (const token of [alice.token, other.access_token])
      expect(await whoami(token)).toMatchObject({ status: 401, body: { soft_logout: false } })
    expect(await refresh(other.refresh_token)).toMatchObject({ status: 401 })
  })

  test('a new password ends the other sessions, unless they are to stay', async () => {
    const alice = await node.register('alice', password)
    const kept = await logIn(passwordLogin)
    await alice.ok('POST', '/account/password', { new_password: password, logout_devices: false, ...pass(alice.userId) })
    expect(await whoami(kept.access_token)).toMatchObject({ status: 200 })
    await alice.ok('POST', '/account/password', { new_password: password, ...pass(alice.userId) })
    expect(await whoami(kept.access_token)).toMatchObject({ status: 401 })
    expect(await whoami(alice.token)).toMatchObject({ status: 200 })
  })

  test('the first cross-signing keys need no proof, nor do the same again; others do', async () => {
    const alice = await node.register('alice', password)
    const keys = (letter: string) => {
      const key = letter.repeat(43)
      return { master_key: { user_id: alice.userId, usage: ['master'], keys: { [`ed25519:${key}`]: key } } }
    }
    const upload = async (body: object) => alice.call('POST', '/keys/device_signing/upload', body)
    const first = await Promise.all([upload(keys('A')), upload(keys('B'))])
    expect(first.map((reply) => reply.status).toSorted((one, other) => one - other)).toEqual([200, 401])
    const [kept, refused] = first[0]?.status === 200 ? ['A', 'B'] : ['B', 'A']
    expect(await upload(keys(kept))).toMatchObject({ status: 200 })
    expect(await upload(keys(refused))).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.password'] }] } })
    expect(await upload({ ...keys(refused), ...pass(alice.userId) })).toMatchObject({ status: 200 })
  })

  test('a device id is no cross-signing key, and without a master key there is no other', async () => {
    const key = 'A'.repeat(43)
    const login = { username: 'carol', device_id: key, auth: { type: 'm.login.dummy' } }
    const carol = new TestUser(node, (await node.call('POST', '/register', login)).body)
    const keyFor = (usage: string, publicKey: string) => ({
      user_id: carol.userId,
      usage: [usage],
      keys: { [`ed25519:${publicKey}`]: publicKey },
    })
    expect(await carol.call('POST', '/keys/device_signing/upload', { master_key: keyFor('master', key) })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    const alone = { self_signing_key: keyFor('self_signing', 'B'.repeat(43)) }
    expect(await carol.call('POST', '/keys/device_signing/upload', alone)).toMatchObject({
      status: 400,
      body: { errcode: 'M_MISSING_PARAM' },
    })
  })

  test('a cross-signing key is no device id', async () => {
    const alice = await node.register('alice', password)
    const key = 'A'.repeat(43)
    const master = { user_id: alice.userId, usage: ['master'], keys: { [`ed25519:${key}`]: key } }
    await alice.ok('POST', '/keys/device_signing/upload', { master_key: master })
    expect(await node.call('POST', '/login', { ...passwordLogin, device_id: key })).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
  })
})

test('who guesses passwords waits, and nobody else does', async () => {
  await node.register('alice', password)
  await node.register('bob', 'another')
  const guess = async () => node.call('POST', '/login', { ...passwordLogin, password: 'wrong' })
  const { burst, returnMs } = limits.implementation.passwordFailuresPerUser
  for (let count = 0; count < burst; count++) expect(await guess()).toMatchObject({ status: 403 })
  const refused = await guess()
  expect(refused).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: returnMs } })
  expect(await node.call('POST', '/login', passwordLogin)).toMatchObject({ status: 429 })
  const bob = { ...passwordLogin, identifier: { type: 'm.id.user', user: 'bob' }, password: 'another' }
  expect(await node.call('POST', '/login', bob)).toMatchObject({ status: 200 })
  await node.world.clock.advance(returnMs)
  expect(await node.call('POST', '/login', passwordLogin)).toMatchObject({ status: 200 })
})

test('older and other ways to name a user', async () => {
  const alice = await node.register('alice', password)
  for (const user of ['alice', 'ALICE', alice.userId]) await logIn({ type: 'm.login.password', user, password })
  const mail = { identifier: { type: 'm.id.thirdparty', medium: 'email', address: 'a@b.c' } }
  const phone = { identifier: { type: 'm.id.phone', country: 'GB', phone: '1' } }
  for (const other of [mail, phone, { medium: 'email', address: 'a@b.c' }])
    expect(await node.call('POST', '/login', { type: 'm.login.password', password, ...other })).toMatchObject({ status: 403 })
  expect(await node.call('POST', '/login', { type: 'm.login.password', password })).toMatchObject({ status: 400 })
  expect(await node.call('POST', '/login', { type: 'm.login.sso' })).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  expect(new TestUser(node, await logIn(passwordLogin)).userId).toBe(alice.userId)
})
