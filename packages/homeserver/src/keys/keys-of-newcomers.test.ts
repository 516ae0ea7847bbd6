import { World } from '@kith/testkit/world/world'
import type { WorldUser } from '@kith/testkit/world/world-user'
import { expect, test } from 'vitest'

async function uploadKeys(user: WorldUser): Promise<string> {
  const { device_id: deviceId } = await user.ok('GET', '/account/whoami')
  const keys = { [`ed25519:${deviceId}`]: 'A'.repeat(43), [`curve25519:${deviceId}`]: 'B'.repeat(43) }
  const signatures = { [user.userId]: { [`ed25519:${deviceId}`]: 'C'.repeat(86) } }
  const algorithms = ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2']
  await user.ok('POST', '/keys/upload', { device_keys: { user_id: user.userId, device_id: deviceId, algorithms, keys, signatures } })
  return deviceId
}

async function twoUsers() {
  const world = new World(1)
  for (const name of ['one', 'two']) await world.addServer(name, []).start()
  const alice = await world.addUser('alice', 'one')
  const bob = await world.addUser('bob', 'two')
  const finish = <T>(work: Promise<T>): Promise<T> => world.simulated.finish(work)
  const devicesOfBob = async () => {
    const answer = await finish(alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } }))
    return { devices: Object.keys(answer.device_keys[bob.userId] ?? {}), failures: Object.keys(answer.failures) }
  }
  const { room_id: roomId } = await finish(alice.ok('POST', '/createRoom', { preset: 'private_chat', invite: [bob.userId] }))
  const inRoom = (user: WorldUser, what: string, body = {}) => finish(user.ok('POST', `/rooms/${encodeURIComponent(roomId)}/${what}`, body))
  await world.simulated.run(5_000)
  return { world, alice, bob, finish, devicesOfBob, inRoom }
}

test('a device that came between invite and join is known at the first message', async () => {
  const { world, bob, finish, devicesOfBob, inRoom } = await twoUsers()
  // Clients encrypt for those who are invited too, so they ask before the join.
  expect(await devicesOfBob()).toEqual({ devices: [], failures: [] })
  const deviceId = await finish(uploadKeys(bob))
  await inRoom(bob, 'join')
  await world.simulated.run(5_000)
  expect(await devicesOfBob()).toEqual({ devices: [deviceId], failures: [] })
})

test('so is one that came while its user was out of the room', async () => {
  const { world, alice, bob, finish, devicesOfBob, inRoom } = await twoUsers()
  await inRoom(bob, 'join')
  await world.simulated.run(5_000)
  expect(await devicesOfBob()).toEqual({ devices: [], failures: [] })
  await inRoom(bob, 'leave')
  await world.simulated.run(5_000)
  const deviceId = await finish(uploadKeys(bob))
  await inRoom(alice, 'invite', { user_id: bob.userId })
  await world.simulated.run(5_000)
  await inRoom(bob, 'join')
  await world.simulated.run(5_000)
  expect(await devicesOfBob()).toEqual({ devices: [deviceId], failures: [] })
})

test('an old answer without devices is a failure, and not the keys of a user without any', async () => {
  const { world, bob, devicesOfBob, inRoom } = await twoUsers()
  expect(await devicesOfBob()).toEqual({ devices: [], failures: [] })
  await inRoom(bob, 'join')
  await world.simulated.run(5_000)
  world.simulated.network.cut(world.server('one').server, world.server('two').server)
  expect(await devicesOfBob()).toEqual({ devices: [], failures: [world.server('two').server] })
})
