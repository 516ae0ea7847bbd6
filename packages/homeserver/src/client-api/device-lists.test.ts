import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { type Json, TestNode, TestUser } from './test-node.test-support.ts'

const DEHYDRATED = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const PASSWORD = 'the password of bob'

/** Alice here and Bob there, in one room; Alice's server keeps what it learnt of Bob's devices, and is told of what changes. */
async function twoServers() {
  const world = new SimulatedWorld(11)
  const [here, there] = [new TestNode(world), new TestNode(world)]
  await here.start()
  await there.start()
  const alice = await here.register('alice')
  const bob = await there.register('bob', PASSWORD)
  const { room_id: roomId } = await world.finish(alice.ok('POST', '/createRoom', { preset: 'private_chat', invite: [bob.userId] }))
  await world.runUntil(async () => (await bob.sync()).rooms?.invite?.[roomId] !== undefined, 60_000, 'bob is invited')
  await world.finish(bob.ok('POST', `/join/${encodeURIComponent(roomId)}`))
  const devicesOfBob = async (): Promise<string[]> => {
    const answer = await world.finish(alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } }))
    return Object.keys(answer.device_keys[bob.userId] ?? {}).toSorted()
  }
  return {
    world,
    bob,
    there,
    devicesOfBob,
    /** Until what was committed there is known here. */
    settle: async () => world.run(10_000),
    [Symbol.asyncDispose]: async () => {
      for (const node of [here, there]) await node[Symbol.asyncDispose]()
    },
  }
}

function keysOf(user: TestUser, deviceId: string): Json {
  return {
    user_id: user.userId,
    device_id: deviceId,
    algorithms: ['m.megolm.v1.aes-sha2'],
    keys: { [`ed25519:${deviceId}`]: `key of ${deviceId}` },
    signatures: { [user.userId]: { [`ed25519:${deviceId}`]: 'signature' } },
  }
}

test('when several devices end at once, another server hears of each of them', async () => {
  await using servers = await twoServers()
  const { bob, there } = servers
  const identifier = { type: 'm.id.user', user: 'bob' }
  await bob.ok('POST', '/keys/upload', { device_keys: keysOf(bob, bob.deviceId) })
  const others: string[] = []
  for (const name of ['ONE', 'TWO', 'THREE']) {
    const login = { type: 'm.login.password', identifier, password: PASSWORD, device_id: name }
    const device = new TestUser(there, (await there.call('POST', '/login', login)).body)
    await device.ok('POST', '/keys/upload', { device_keys: keysOf(device, name) })
    others.push(name)
  }
  await servers.settle()
  expect(await servers.devicesOfBob()).toEqual([bob.deviceId, ...others].toSorted())
  const { session } = (await bob.call('POST', '/delete_devices', { devices: others })).body
  const auth = { type: 'm.login.password', session, identifier, password: PASSWORD }
  await bob.ok('POST', '/delete_devices', { devices: others, auth })
  await servers.settle()
  expect(await servers.devicesOfBob()).toEqual([bob.deviceId])
})

test('when a dehydrated device takes the place of another, another server hears of both', async () => {
  await using servers = await twoServers()
  const { bob } = servers
  const put = async (deviceId: string): Promise<void> => {
    const deviceKeys = { ...keysOf(bob, deviceId), dehydrated: true }
    await bob.ok('PUT', DEHYDRATED, { device_id: deviceId, device_data: { algorithm: 'test' }, device_keys: deviceKeys })
  }
  await put('FIRST')
  await servers.settle()
  expect(await servers.devicesOfBob()).toEqual(['FIRST'])
  await put('SECOND')
  await servers.settle()
  expect(await servers.devicesOfBob()).toEqual(['SECOND'])
})
