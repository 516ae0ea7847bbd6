import { afterEach, beforeEach, expect, test } from 'vitest'
import { StorageFullError } from '../ports/storage.ts'
import { limits } from '../limits.ts'
import { TestNode, type TestUser } from './test-node.test-support.ts'

const password = 'correct horse'
let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string

beforeEach(settle)

async function settle(): Promise<void> {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob', password)
  roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${roomId}`)
}

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const proof = () => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: bob.userId }, password })
const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password }

async function membership(of = bob.userId): Promise<string> {
  return (await alice.ok('GET', `/rooms/${roomId}/state/m.room.member/${of}`)).membership
}

test('an ended account: no session, no device, no password, no room, and its name is never given again', async () => {
  const other = (await node.call('POST', '/login', { ...login, refresh_token: true })).body
  const invitedTo = await alice.createRoom({ invite: [bob.userId] })
  const { flows } = (await bob.call('POST', '/account/deactivate', {})).body
  expect(flows).toEqual([{ stages: ['m.login.password'] }])
  expect(await bob.ok('POST', '/account/deactivate', { auth: proof() })).toEqual({ id_server_unbind_result: 'success' })
  for (const token of [bob.token, other.access_token])
    expect(await node.call('GET', '/sync', undefined, token)).toMatchObject({
      status: 401,
      body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: false },
    })
  expect(await node.call('POST', '/refresh', { refresh_token: other.refresh_token })).toMatchObject({ status: 401 })
  expect(await node.call('POST', '/login', login)).toMatchObject({ status: 403 })
  await expect.poll(async () => membership()).toBe('leave')
  const invite = `/rooms/${invitedTo}/state/m.room.member/${bob.userId}`
  await expect.poll(async () => alice.ok('GET', invite)).toMatchObject({ membership: 'leave' })
  const again = { username: 'bob', auth: { type: 'm.login.dummy' } }
  const taken = { status: 400, body: { errcode: 'M_USER_IN_USE' } }
  expect(await node.call('POST', '/register', again)).toMatchObject(taken)
  await node.restart()
  expect(await node.call('POST', '/register', again)).toMatchObject(taken)
  expect(await node.call('POST', '/login', login)).toMatchObject({ status: 403 })
  expect((await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } })).device_keys).toEqual({})
})

/** How many writes the end of bob's account came to, when the disk took no more than so many before the node went down and started again. */
async function endInterrupted(survivingWrites: number): Promise<{ readonly status: number; readonly writes: number }> {
  let writes = 0
  node.storageFault = () => {
    if (++writes > survivingWrites) throw new StorageFullError('full')
  }
  const { status } = await bob.call('POST', '/account/deactivate', { auth: proof(), erase: true })
  await node.world.clock.advance(0)
  await node[Symbol.asyncDispose]()
  node.storageFault = undefined
  await node.start()
  return { status, writes }
}

test('what the client was not told to have ended goes on', async () => {
  expect(await endInterrupted(0)).toMatchObject({ status: 507 })
  expect(await bob.call('GET', '/account/whoami')).toMatchObject({ status: 200 })
  expect(await membership()).toBe('join')
})

test('wherever the node goes down afterwards, what is left of the end is done when it starts', async () => {
  const disk = (): string => JSON.stringify([...node.disk.tables].filter(([name]) => name.startsWith('accounts.')))
  let isComplete = false
  for (let surviving = 1; !isComplete; surviving++) {
    await bob.ok('PUT', `/user/${bob.userId}/account_data/org.example.diary`, { text: 'DIARY' })
    const { status, writes } = await endInterrupted(surviving)
    expect(status).toBe(200)
    expect(await bob.call('GET', '/account/whoami')).toMatchObject({ status: 401 })
    await expect.poll(async () => membership()).toBe('leave')
    await expect.poll(disk).not.toContain('DIARY')
    expect((await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } })).device_keys).toEqual({})
    isComplete = writes <= surviving
    await node[Symbol.asyncDispose]()
    await settle()
  }
})

test('on a full disk it goes on as soon as there is room', async () => {
  let commits = 0
  node.storageFault = () => {
    if (++commits > 1) throw new StorageFullError('full')
  }
  await bob.ok('POST', '/account/deactivate', { auth: proof() })
  node.storageFault = undefined
  const afterWaiting = async (): Promise<string> => {
    await node.world.clock.advance(limits.implementation.deactivationRetryMs)
    return membership()
  }
  await expect.poll(afterWaiting).toBe('leave')
})

test('an account ends without a session too: the password says which', async () => {
  expect(await node.call('POST', '/account/deactivate', {})).toMatchObject({ status: 401, body: { session: expect.any(String) } })
  expect(await node.call('POST', '/account/deactivate', { auth: { ...proof(), password: 'wrong' } })).toMatchObject({ status: 401 })
  expect(await node.call('POST', '/account/deactivate', { auth: proof() })).toMatchObject({ status: 200 })
  expect(await bob.call('GET', '/account/whoami')).toMatchObject({ status: 401 })
})

test('a login token from before lets nobody in', async () => {
  const { login_token: token } = await bob.ok('POST', '/_matrix/client/v1/login/get_token', { auth: proof() })
  await bob.ok('POST', '/account/deactivate', { auth: proof() })
  expect(await node.call('POST', '/login', { type: 'm.login.token', token })).toMatchObject({
    status: 403,
    body: { errcode: 'M_FORBIDDEN' },
  })
})

test('nobody ends the account of another', async () => {
  const carol = await node.register('carol', 'another')
  const { session } = (await carol.call('POST', '/account/deactivate', {})).body
  expect(await bob.call('POST', '/account/deactivate', { auth: { session } })).toMatchObject({
    status: 401,
    body: { errcode: 'M_UNKNOWN' },
  })
  expect(await carol.call('POST', '/account/deactivate', { auth: { ...proof(), session } })).toMatchObject({
    status: 401,
    body: { errcode: 'M_FORBIDDEN' },
  })
  expect(await bob.call('GET', '/account/whoami')).toMatchObject({ status: 200 })
})

test('what is erased is gone from the disk, what is not asked for stays', async () => {
  const path = `/user/${bob.userId}/account_data/org.example.diary`
  await bob.ok('PUT', path, { text: 'DIARY' })
  const carol = await node.register('carol', password)
  await carol.ok('PUT', `/user/${carol.userId}/account_data/org.example.diary`, { text: 'LETTERS' })
  for (const user of [bob, carol]) {
    const { version } = await user.ok('POST', '/room_keys/version', { algorithm: 'm.megolm_backup.v1', auth_data: { of: user.userId } })
    const session = { first_message_index: 0, forwarded_count: 0, is_verified: true, session_data: { of: user.userId } }
    await user.ok('PUT', `/room_keys/keys/${encodeURIComponent('!r:x.org')}/s?version=${version}`, session)
  }
  const backedUp = (): string => JSON.stringify([...node.disk.tables].filter(([name]) => name.startsWith('keys.backup-')))
  expect(backedUp()).toContain(bob.userId)
  const disk = (): string => JSON.stringify([...node.disk.tables].filter(([name]) => name.startsWith('accounts.')))
  const notified = (): string => JSON.stringify([...(node.disk.tables.get('push.notifications') ?? [])])
  await carol.createRoom({ invite: [bob.userId] })
  await expect.poll(notified).toContain(bob.userId)
  await bob.ok('POST', '/account/deactivate', { auth: proof(), erase: true })
  const carolsProof = { ...proof(), identifier: { type: 'm.id.user', user: carol.userId } }
  await carol.ok('POST', '/account/deactivate', { auth: carolsProof })
  await expect.poll(disk).not.toContain('DIARY')
  expect(disk()).toContain('LETTERS')
  await expect.poll(notified).not.toContain(bob.userId)
  await expect.poll(backedUp).not.toContain(bob.userId)
  expect(backedUp()).toContain(carol.userId)
})
