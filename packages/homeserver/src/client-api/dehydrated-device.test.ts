import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

const root = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'

function upload(user: TestUser, deviceId: string, data = `pickle of ${deviceId}`): Json {
  return {
    device_id: deviceId,
    initial_device_display_name: 'Dehydrated device',
    device_data: { algorithm: 'org.matrix.msc3814.v2', device_pickle: data },
    device_keys: {
      user_id: user.userId,
      device_id: deviceId,
      algorithms: ['m.megolm.v1.aes-sha2'],
      keys: { [`ed25519:${deviceId}`]: `key of ${deviceId}` },
      signatures: { [user.userId]: { [`ed25519:${deviceId}`]: 'signature' } },
      dehydrated: true,
    },
    one_time_keys: { [`signed_curve25519:one ${deviceId}`]: { key: `one-time key of ${deviceId}` } },
    fallback_keys: { [`signed_curve25519:fallback ${deviceId}`]: { key: `fallback key of ${deviceId}`, fallback: true } },
  }
}

async function keysOf(asker: TestUser, user: TestUser): Promise<Json> {
  return (await asker.ok('POST', '/keys/query', { device_keys: { [user.userId]: [] } })).device_keys[user.userId]
}

async function claim(asker: TestUser, user: TestUser, deviceId: string): Promise<Json> {
  const answer = await asker.ok('POST', '/keys/claim', { one_time_keys: { [user.userId]: { [deviceId]: 'signed_curve25519' } } })
  return answer.one_time_keys[user.userId]?.[deviceId]
}

async function send(from: TestUser, to: TestUser, deviceId: string, number: number): Promise<void> {
  const txnId = `${deviceId} ${number}`
  await from.ok('PUT', `/sendToDevice/m.test/${encodeURIComponent(txnId)}`, { messages: { [to.userId]: { [deviceId]: { number } } } })
}

const numbersOf = (page: Json): number[] => page.events.map((event: Json) => event.content.number)

test('a dehydrated device is a device to others, with its keys, one-time keys and fallback key', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  expect((await node.call('GET', '/_matrix/client/versions')).body.unstable_features['org.matrix.msc3814']).toBe(true)
  expect((await alice.call('GET', root)).body.errcode).toBe('M_NOT_FOUND')
  const body = upload(alice, 'WAITING')
  expect(await alice.ok('PUT', root, body)).toEqual({ device_id: 'WAITING' })
  expect(await alice.ok('GET', root)).toEqual({ device_id: 'WAITING', device_data: body.device_data })
  expect(await keysOf(bob, alice)).toEqual({
    WAITING: { ...body.device_keys, unsigned: { device_display_name: 'Dehydrated device' } },
  })
  expect(await claim(bob, alice, 'WAITING')).toEqual({ 'signed_curve25519:one WAITING': { key: 'one-time key of WAITING' } })
  const fallback = { key: 'fallback key of WAITING', fallback: true }
  expect(await claim(bob, alice, 'WAITING')).toEqual({ 'signed_curve25519:fallback WAITING': fallback })
  expect((await bob.call('GET', root)).body.errcode).toBe('M_NOT_FOUND')
})

test('another one takes its place whole, and others hear of it', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})
  await alice.ok('PUT', root, upload(alice, 'FIRST'))
  await send(bob, alice, 'FIRST', 1)
  const { next_batch: since } = await bob.sync()
  await alice.ok('PUT', root, upload(alice, 'SECOND'))
  expect((await bob.sync(since)).device_lists.changed).toEqual([alice.userId])
  expect((await alice.ok('GET', root)).device_id).toBe('SECOND')
  expect(Object.keys(await keysOf(bob, alice))).toEqual(['SECOND'])
  expect(await claim(bob, alice, 'FIRST')).toBeUndefined()
  expect((await alice.call('GET', '/devices/FIRST')).status).toBe(404)
  expect((await alice.call('POST', `${root}/FIRST/events`, {})).body.errcode).toBe('M_FORBIDDEN')
  // Nothing of what was for the first waits for the second, nor for a first that comes back.
  expect((await alice.ok('POST', `${root}/SECOND/events`, {})).events).toEqual([])
  await alice.ok('PUT', root, upload(alice, 'FIRST'))
  expect((await alice.ok('POST', `${root}/FIRST/events`, {})).events).toEqual([])
})

test('when the replacement cannot be stored the earlier one stays whole', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  await alice.ok('PUT', root, upload(alice, 'FIRST'))
  await send(bob, alice, 'FIRST', 1)
  node.storageFault = () => {
    throw new Error('the disk fails')
  }
  expect((await alice.call('PUT', root, upload(alice, 'SECOND'))).status).toBe(500)
  node.storageFault = undefined
  await node.restart()
  expect((await alice.ok('GET', root)).device_id).toBe('FIRST')
  expect(Object.keys(await keysOf(bob, alice))).toEqual(['FIRST'])
  expect(numbersOf(await alice.ok('GET', `${root}/FIRST/events`))).toEqual([1])
  expect(await claim(bob, alice, 'FIRST')).toBeDefined()
})

test('what is sent to it is paged, and stays for a client that begins again, over a restart and an upload that is repeated', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice'), await node.register('bob')]
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  const sent = Array.from({ length: 230 }, (_, number) => number)
  for (const number of sent) await send(bob, alice, 'WAITING', number)
  await send(bob, alice, alice.deviceId, 1000)
  await node.restart()
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  const posted: number[][] = []
  let nextBatch: string | undefined
  do {
    const page: Json = await alice.ok('POST', `${root}/WAITING/events`, nextBatch === undefined ? {} : { next_batch: nextBatch })
    posted.push(numbersOf(page))
    nextBatch = page.next_batch
  } while ((posted.at(-1) ?? []).length > 0)
  expect(posted.map((page) => page.length)).toEqual([100, 100, 30, 0])
  expect(posted.flat()).toEqual(sent)
  const got: number[][] = []
  do {
    const page: Json = await alice.ok(
      'GET',
      `${root}/WAITING/events${nextBatch === undefined || got.length === 0 ? '' : `?from=${nextBatch}`}`,
    )
    got.push(numbersOf(page))
    nextBatch = page.next_batch
  } while (nextBatch !== undefined)
  expect(got.flat()).toEqual(sent)
  expect(numbersOf((await alice.sync()).to_device)).toEqual([1000])
})

test('it goes when its user removes it, as a dehydrated device or as a device', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice', 'a good password'), await node.register('bob')]
  expect((await alice.call('DELETE', root)).body.errcode).toBe('M_NOT_FOUND')
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  expect(await alice.ok('DELETE', root)).toEqual({ device_id: 'WAITING' })
  expect((await alice.call('GET', root)).status).toBe(404)
  expect(await keysOf(bob, alice)).toEqual({})
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'a good password' }
  const { session } = (await alice.call('DELETE', '/devices/WAITING', {})).body
  await alice.ok('DELETE', '/devices/WAITING', { auth: { ...auth, session } })
  expect((await alice.call('GET', root)).status).toBe(404)
  // Logging out of the last device leaves it.
  await alice.ok('PUT', root, upload(alice, 'WAITING'))
  await alice.ok('POST', '/logout')
  expect(Object.keys(await keysOf(bob, alice))).toEqual(['WAITING'])
})

test('what is not the dehydrated device of its user is refused, and so is who would log in on it', async () => {
  await using node = await TestNode.start()
  const [alice, bob] = [await node.register('alice', 'a good password'), await node.register('bob')]
  const body = upload(alice, 'WAITING')
  expect((await alice.call('PUT', root, upload(alice, alice.deviceId))).body.errcode).toBe('M_INVALID_PARAM')
  expect((await alice.call('PUT', root, { ...body, device_id: 'OTHER' })).body.errcode).toBe('M_INVALID_PARAM')
  expect((await alice.call('PUT', root, { ...body, device_keys: upload(bob, 'WAITING').device_keys })).body.errcode).toBe('M_INVALID_PARAM')
  for (const member of ['device_id', 'device_data', 'device_keys'])
    expect((await alice.call('PUT', root, { ...body, [member]: undefined })).status, member).toBe(400)
  expect((await alice.call('PUT', root, { ...body, device_data: { pickle: 'x'.repeat(256 * 1024) } })).status).toBe(400)
  await alice.ok('PUT', root, body)
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'a good password' }
  expect((await node.call('POST', '/login', { ...login, device_id: 'WAITING' })).body.errcode).toBe('M_FORBIDDEN')
  expect((await bob.call('POST', `${root}/WAITING/events`, {})).body.errcode).toBe('M_FORBIDDEN')
  expect((await alice.call('POST', `${root}/WAITING/events`, { next_batch: 'nonsense' })).body.errcode).toBe('M_INVALID_PARAM')
})

test('it counts as one of the devices that its user may have', async () => {
  await using node = await TestNode.start()
  const alice = await node.register('alice', 'a good password')
  const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'a good password' }
  await alice.ok('PUT', root, upload(alice, 'FIRST'))
  for (let count = 2; count < limits.implementation.devicesPerUserMax; count++) await node.call('POST', '/login', login)
  expect((await node.call('POST', '/login', login)).status).toBe(403)
  await alice.ok('PUT', root, upload(alice, 'SECOND'))
  await alice.ok('DELETE', root)
  expect((await node.call('POST', '/login', login)).status).toBe(200)
  expect((await alice.call('PUT', root, upload(alice, 'THIRD'))).body.errcode).toBe('M_FORBIDDEN')
})
