import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import { World } from '@kith/testkit/world/world'
import { WorldUser } from '@kith/testkit/world/world-user'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'

/** Whole homeservers with users and clients: alice on one, bob on two, and mallory's server in their room. */
async function setting() {
  const world = new World(1)
  for (const name of ['one', 'two']) await world.addServer(name, []).start()
  // Without the clients that the world usually gives them: those would take the messages to devices away.
  const alice = await WorldUser.register('alice', world.server('one'))
  const bob = await WorldUser.register('bob', world.server('two'))
  const { simulated } = world
  const finish = <T>(work: Promise<T>): Promise<T> => simulated.finish(work)
  const { room_id: roomId } = await finish(alice.ok('POST', '/createRoom', { preset: 'public_chat', room_version: '11' }))
  const one = world.server('one')
  const path = `/join/${encodeURIComponent(roomId)}?server_name=${one.server}`
  await finish(bob.ok('POST', path, {}))
  const mallory = await new HostileServer(simulated, 'mallory').start()
  const room = await mallory.join(one.server, roomId as RoomId)
  await simulated.run(5_000)
  const first = await finish(alice.ok('GET', '/sync'))
  const syncOfAlice = () => finish(alice.ok('GET', `/sync?since=${first.next_batch}`))
  const rowsAtOne = () => [...one.disk.tables.values()].reduce((sum, rows) => sum + rows.length, 0)
  return { world, simulated, finish, alice, bob, one, mallory, room, roomId, syncOfAlice, rowsAtOne }
}

const edu = (type: string, content: JsonObject): JsonObject => ({ edu_type: type, content })

test('nobody speaks for users of other servers: neither typing, receipts, messages to devices, nor keys', async () => {
  const { world, simulated, finish, alice, bob, one, mallory, roomId, room, syncOfAlice } = await setting()
  const { device_id: deviceId } = await finish(alice.ok('GET', '/account/whoami'))
  const key = { user_id: bob.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': 'A'.repeat(43) }, signatures: {} }
  const receipt = { data: { ts: 1 }, event_ids: [room.newest.eventId] }
  const master = { user_id: bob.userId, usage: ['master'], keys: { 'ed25519:x': 'x' } }
  const edus = [
    edu('m.typing', { room_id: roomId, user_id: bob.userId, typing: true }),
    edu('m.typing', { room_id: roomId, user_id: alice.userId, typing: true }),
    edu('m.receipt', { [roomId]: { 'm.read': { [bob.userId]: receipt, [alice.userId]: receipt } } }),
    edu('m.direct_to_device', { sender: bob.userId, type: 'm.evil', message_id: '1', messages: { [alice.userId]: { [deviceId]: {} } } }),
    edu('m.device_list_update', { user_id: bob.userId, device_id: 'EVIL', stream_id: 99, keys: key }),
    edu('m.signing_key_update', { user_id: bob.userId, master_key: master }),
    edu('m.presence', { push: [{ user_id: bob.userId, presence: 'online' }] }),
    edu('m.direct_to_device', { sender: mallory.user, type: 'm.own', message_id: '2', messages: { [alice.userId]: { [deviceId]: {} } } }),
  ]
  expect((await mallory.send(one.server, [], edus)).status).toBe(200)
  await simulated.run(1_000)
  const answer = await syncOfAlice()
  const ephemeral = JSON.stringify(answer.rooms?.join?.[roomId]?.ephemeral ?? {})
  expect(ephemeral).not.toContain(bob.userId)
  expect(ephemeral).not.toContain(alice.userId)
  expect((answer.to_device.events as { type: string; sender: string }[]).map(({ type, sender }) => [type, sender])).toEqual([
    ['m.own', mallory.user],
  ])
  expect(answer.device_lists?.changed ?? []).not.toContain(bob.userId)
  const keys = await finish(alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } }))
  expect(JSON.stringify(keys)).not.toContain('EVIL')
  expect(world.problems).toEqual([])
})

test('a server that is asked for the keys of its users answers for no others', async () => {
  const { finish, alice, bob, mallory } = await setting()
  const device = (userId: string) => ({ EVIL: { user_id: userId, device_id: 'EVIL', algorithms: [], keys: {}, signatures: {} } })
  const master = (userId: string) => ({ user_id: userId, usage: ['master'], keys: { 'ed25519:evil': 'evil' } })
  mallory.answering(({ path }) =>
    path === '/v1/user/keys/query'
      ? Response.json({
          device_keys: {
            [bob.userId]: device(bob.userId),
            [alice.userId]: device(alice.userId),
            [mallory.user]: { ...device(mallory.user), X: { user_id: bob.userId, device_id: 'X' } },
          },
          master_keys: { [bob.userId]: master(bob.userId), [mallory.user]: master(bob.userId) },
          self_signing_keys: 7,
        })
      : undefined,
  )
  const answer = await finish(alice.ok('POST', '/keys/query', { device_keys: { [mallory.user]: [], [bob.userId]: [] } }))
  expect(Object.keys(answer.device_keys[mallory.user])).toEqual(['EVIL'])
  expect(JSON.stringify(answer.device_keys[bob.userId] ?? {})).not.toContain('EVIL')
  expect(JSON.stringify(answer.master_keys)).not.toContain('evil')
})

test('floods of receipts, typing and device updates leave a bounded rest', async () => {
  const { world, finish, simulated, alice, one, mallory, roomId, room, rowsAtOne } = await setting()
  const rows = rowsAtOne()
  for (let batch = 0; batch < 20; batch++) {
    const edus = Array.from({ length: limits.specification.edusPerTransactionMax }, (_, count) => {
      const number = batch * 100 + count
      const receipt = { data: { ts: number, thread_id: `$thread${number}` }, event_ids: [room.newest.eventId] }
      if (count % 3 === 0) return edu('m.receipt', { [roomId]: { 'm.read': { [mallory.user]: receipt } } })
      if (count % 3 === 1) return edu('m.typing', { room_id: roomId, user_id: mallory.user, typing: number % 2 === 0 })
      return edu('m.receipt', { [`!none${number}:${mallory.server}`]: { 'm.read': { [mallory.user]: receipt } } })
    })
    expect((await mallory.send(one.server, [], edus)).status).toBe(200)
  }
  await simulated.run(5_000)
  // Three rows for each receipt of a thread, up to the bound for one user.
  expect(rowsAtOne() - rows).toBeLessThan(3 * limits.implementation.receiptsPerUserAndRoomMax + 1_200)
  await finish(alice.ok('PUT', `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'still here' }))
  expect(world.problems).toEqual([])
})

test('messages to devices are bounded in size, and strangers do not fill the inbox of a device that is away', async () => {
  const { alice, one, mallory, simulated, syncOfAlice } = await setting()
  const stranger = await new HostileServer(simulated, 'stranger').start()
  const { toDeviceInboxForStrangersMax, toDeviceContentBytesMax } = limits.implementation
  const message = (from: HostileServer, id: number, text = '') =>
    edu('m.direct_to_device', {
      sender: from.user,
      type: `m.from_${from.user.slice(1, 4)}`,
      message_id: `${id}`,
      messages: { [alice.userId]: { '*': { text } } },
    })
  await mallory.send(one.server, [], [message(mallory, -1, 'x'.repeat(toDeviceContentBytesMax))])
  for (let sent = 0; sent < toDeviceInboxForStrangersMax + 200; sent += 100) {
    await stranger.send(
      one.server,
      [],
      Array.from({ length: 100 }, (_, index) => message(stranger, sent + index)),
    )
  }
  await mallory.send(one.server, [], [message(mallory, 0)])
  expect(one.disk.tables.get('keys.to-device-inbox')?.length).toBe(toDeviceInboxForStrangersMax + 1)
  expect((await syncOfAlice()).to_device.events).toHaveLength(limits.implementation.toDeviceMessagesPerSyncMax)
})
