import { makeUserId, type ServerName } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { Timeline } from '../timeline/index.ts'
import { DeviceListChanges } from './device-list-changes.ts'
import { RemoteKeys } from './remote-keys.ts'

test('keys of another server’s user are fresh until an update is missed', async () => {
  const world = new SimulatedWorld(1)
  const server = world.createIdentity().server
  const shared = new Set<ServerName>([world.createIdentity().server])
  const storage = openMemoryStorage()
  const keys = new RemoteKeys(storage, await DeviceListChanges.open(storage, await Timeline.open(storage), () => shared))
  const userId = makeUserId('bob', server)
  const device = (deviceId: string) => ({ user_id: userId, device_id: deviceId })
  const answer = { device_keys: { [userId]: { D1: device('D1') } }, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} }
  await keys.store(server, [userId], answer, 7)
  expect(await keys.get(userId)).toMatchObject({ stale: false, askedAt: 7 })
  await keys.applyDeviceUpdate(userId, { deviceId: 'D2', deleted: false, keys: device('D2'), streamId: 5, previousIds: [] })
  expect(await keys.get(userId)).toMatchObject({ stale: false, askedAt: 7, devices: { D1: device('D1'), D2: device('D2') } })
  await keys.applyDeviceUpdate(userId, { deviceId: 'D2', deleted: false, keys: device('D2'), streamId: 9, previousIds: [7] })
  expect(await keys.get(userId)).toMatchObject({ stale: true })
})
