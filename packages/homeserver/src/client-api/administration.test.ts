import type { UserId } from '@kith/matrix-protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { endpoints } from './endpoints/index.ts'
import { PollsUnderWay } from './polls-under-way.ts'
import { closedToSuspended, nameOf } from './restrictions.ts'
import { TestNode, type TestUser } from './test-node.test-support.ts'

const password = 'correct horse'
let node: TestNode
let owner: TestUser
let bob: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  owner = await node.register('owner')
  bob = await node.register('bob', password)
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const forbidden = { status: 403, body: { errcode: 'M_FORBIDDEN' } }
const admin = (name: string, userId: string): string => `/_matrix/client/v1/admin/${name}/${userId}`
const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password }

describe.each([
  ['suspend', 'suspended'],
  ['lock', 'locked'],
])('%s', (name, restriction) => {
  test('the owner alone does it, to users of this node who are not the owner', async () => {
    const stranger = `@nobody:${bob.userId.split(':')[1]}`
    expect(await bob.call('GET', admin(name, bob.userId))).toMatchObject(forbidden)
    expect(await bob.call('PUT', admin(name, stranger), { [restriction]: true })).toMatchObject(forbidden)
    expect(await owner.call('PUT', admin(name, owner.userId), { [restriction]: true })).toMatchObject(forbidden)
    expect(await owner.call('GET', admin(name, stranger))).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect(await owner.call('GET', admin(name, '@someone:example.org'))).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_PARAM' },
    })
    expect(await owner.call('PUT', admin(name, bob.userId), {})).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect((await owner.ok('GET', '/capabilities')).capabilities['m.account_moderation']).toEqual({ suspend: true, lock: true })
    expect((await bob.ok('GET', '/capabilities')).capabilities).not.toHaveProperty('m.account_moderation')
  })

  test('it outlives a restart, and ends when it is taken back', async () => {
    expect(await owner.ok('GET', admin(name, bob.userId))).toEqual({ [restriction]: false })
    expect(await owner.ok('PUT', admin(name, bob.userId), { [restriction]: true })).toEqual({ [restriction]: true })
    await node.restart()
    expect(await owner.ok('GET', admin(name, bob.userId))).toEqual({ [restriction]: true })
    expect((await bob.call('POST', '/createRoom', {})).status).not.toBe(200)
    await owner.ok('PUT', admin(name, bob.userId), { [restriction]: false })
    await bob.createRoom()
  })
})

test('a locked user can do nothing but log out, and keeps what they have', async () => {
  const renewable = (await node.call('POST', '/login', { ...login, refresh_token: true })).body
  await owner.ok('PUT', admin('lock', bob.userId), { locked: true })
  const locked = { status: 401, body: { errcode: 'M_USER_LOCKED', soft_logout: true } }
  expect(await bob.call('GET', '/sync')).toMatchObject(locked)
  expect(await bob.call('GET', `/profile/${bob.userId}`)).toMatchObject(locked)
  expect(await node.call('POST', '/login', login)).toMatchObject(locked)
  expect(await node.call('POST', '/refresh', { refresh_token: renewable.refresh_token })).toMatchObject(locked)
  expect(await node.call('POST', '/logout', {}, renewable.access_token)).toMatchObject({ status: 200 })
  await owner.ok('PUT', admin('lock', bob.userId), { locked: false })
  expect(await bob.call('GET', '/account/whoami')).toMatchObject({ status: 200 })
})

test.each([
  ['GET', '/sync?timeout=60000&since='],
  ['GET', '/events?timeout=60000'],
  ['POST', '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=60000&pos='],
])('a poll that waits ends when its user is locked: %s %s', async (method, path) => {
  const first = method === 'GET' ? (await bob.sync()).next_batch : (await bob.ok(method, path.replace('&pos=', ''), {})).pos
  const poll = bob.call(method, path.endsWith('=') ? `${path}${first}` : path, method === 'GET' ? undefined : {})
  let isSettled = false
  void poll.finally(() => (isSettled = true))
  await node.world.run(1_000)
  expect(isSettled).toBe(false)
  await owner.ok('PUT', admin('lock', bob.userId), { locked: true })
  await node.world.run(1_000)
  expect(isSettled).toBe(true)
  expect(await poll).toMatchObject({ status: 401, body: { errcode: 'M_USER_LOCKED', soft_logout: true } })
})

test('a request that a lock overtakes does not begin to wait', async () => {
  const polls = new PollsUnderWay({ isRestricted: () => true })
  const never = new AbortController().signal
  await expect(polls.run(bob.userId as UserId, never, async () => 'answer')).rejects.toMatchObject({ errcode: 'M_USER_LOCKED' })
})

test('a locked user changes and ends the account with the password no more than with a token', async () => {
  await owner.ok('PUT', admin('lock', bob.userId), { locked: true })
  const locked = { status: 401, body: { errcode: 'M_USER_LOCKED' } }
  expect(await node.call('POST', '/account/password', { auth: login, new_password: 'another' })).toMatchObject(locked)
  expect(await node.call('POST', '/account/deactivate', { auth: login })).toMatchObject(locked)
  await owner.ok('PUT', admin('lock', bob.userId), { locked: false })
  expect(await node.call('POST', '/login', login)).toMatchObject({ status: 200 })
})

test('a suspended user reads, leaves, and takes back what they said, but says nothing new', async () => {
  const roomId = await owner.createRoom({ preset: 'public_chat' })
  const otherRoom = await owner.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${roomId}`)
  const own = await bob.say(roomId, 'mine')
  const foreign = await owner.say(roomId, 'not mine')
  await owner.ok('PUT', admin('suspend', bob.userId), { suspended: true })
  const suspended = { status: 403, body: { errcode: 'M_USER_SUSPENDED' } }
  for (const [method, path] of [
    ['PUT', `/rooms/${roomId}/send/m.room.message/t`],
    ['PUT', `/rooms/${roomId}/state/m.room.topic`],
    ['POST', `/join/${otherRoom}`],
    ['POST', `/rooms/${otherRoom}/join`],
    ['POST', `/rooms/${roomId}/invite`],
    ['POST', '/createRoom'],
    ['PUT', `/profile/${bob.userId}/displayname`],
    ['PUT', `/rooms/${roomId}/redact/${foreign}/t1`],
  ] as const)
    expect(await bob.call(method, path, {})).toMatchObject(suspended)
  const presence = `/presence/${bob.userId}/status`
  expect(await bob.call('PUT', presence, { presence: 'online', status_msg: 'look here' })).toMatchObject(suspended)
  await bob.ok('PUT', presence, { presence: 'online' })
  await bob.sync()
  await bob.ok('PUT', `/rooms/${roomId}/redact/${own}/t2`, {})
  await bob.ok('POST', `/rooms/${roomId}/leave`)
  expect(await node.call('POST', '/login', login)).toMatchObject({ status: 200 })
})

test('what is closed to suspended users is there under that name', () => {
  const names = new Set(endpoints.map(nameOf))
  expect(closedToSuspended.filter((name) => !names.has(name))).toEqual([])
})

test('whois: for the user and for the owner', async () => {
  await bob.ok('GET', '/account/whoami')
  const answer = await owner.ok('GET', `/admin/whois/${bob.userId}`)
  expect(answer).toEqual({
    user_id: bob.userId,
    devices: { [bob.deviceId]: { sessions: [{ connections: [{ last_seen: node.world.clock.now() }] }] } },
  })
  expect(await bob.ok('GET', `/admin/whois/${bob.userId}`)).toEqual(answer)
  expect(await bob.call('GET', `/admin/whois/${owner.userId}`)).toMatchObject(forbidden)
})
