import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { expect, test } from 'vitest'
import type { ApiAccount } from './api-account.ts'
import type { Restartable } from './headless-constellation.ts'
import { SyncFollower } from './sync-follower.ts'
import {
  act,
  createRoom,
  expectSameHistory,
  expectSameState,
  membership,
  mustJoin,
  roomPath,
  say,
  setPower,
  setState,
  soon,
  startThreeServers,
  stateContent,
  textsOf,
} from './three-servers.ts'

const MISSED = 200

test(`a server that was stopped and one that was killed have missed ${MISSED} messages and changes of members, and catch up`, async () => {
  await using world = await startThreeServers()
  const { alice, bob, carol, dave } = world
  const [, bobs, carols] = world.servers
  const all = [alice, bob, carol]
  const rooms = await Promise.all(
    ['6', '10', '12'].map(async (version) => createRoom(alice, { preset: 'public_chat', room_version: version, name: version })),
  )
  for (const roomId of rooms) {
    for (const account of [bob, carol]) await mustJoin(account, roomId, alice)
    await setPower(alice, roomId, { [bob.userId]: 50 })
    for (const account of all) await say(account, roomId, `all here, says ${account.userId}`)
    await expectSameState(roomId, all)
    await expectSameHistory(roomId, all)
  }
  await using bobsClient = await SyncFollower.begin(bob)
  await using carolsClient = await SyncFollower.begin(carol)
  await using alicesClient = await SyncFollower.begin(alice)

  expect(await bobs.process.end('SIGTERM')).toBe(0)
  await carols.process.end('SIGKILL')
  const missed = new Map(rooms.map((roomId) => [roomId, [] as string[]]))
  for (let index = 0; index < MISSED; index += 1) {
    const roomId = rooms[index % rooms.length] ?? ''
    await say(alice, roomId, `missed ${index}`)
    missed.get(roomId)?.push(`missed ${index}`)
    if (index % 40 < 3) await comeOrGo(dave, roomId)
  }
  await Promise.all([bobs.start(), carols.start()])
  for (const roomId of rooms) {
    await expectSameState(roomId, all)
    await expectSameHistory(roomId, all)
    expect((await textsOf(carol, roomId)).filter((text) => text.startsWith('missed'))).toEqual(missed.get(roomId))
  }
  for (const roomId of rooms)
    for (const account of all) {
      await say(account, roomId, `back, says ${account.userId}`)
      await soon('all hear', async () => {
        for (const other of all) expect((await textsOf(other, roomId)).at(-1)).toBe(`back, says ${account.userId}`)
        return true
      })
    }
  for (const client of [alicesClient, bobsClient, carolsClient]) {
    for (const roomId of rooms) {
      const last = `back, says ${alice.userId}`
      await eventually('the client was told', PATIENCE_MS, () => client.textsBy(roomId, alice).at(-1) === last)
      const eventIds = (client.shown.get(roomId) ?? []).map((event) => event.event_id)
      expect(new Set(eventIds).size, 'each event once').toBe(eventIds.length)
      const expected = [...(missed.get(roomId) ?? []), last]
      // Where the server left something out, which it says, what comes is still in order: nothing old comes after what is newer.
      const told = client.textsBy(roomId, alice)
      expect(told).toEqual(client.limited.has(roomId) ? expected.filter((text) => told.includes(text)) : expected)
    }
  }
})

async function comeOrGo(account: ApiAccount, roomId: string): Promise<void> {
  const inside = (await account.joinedRooms()).includes(roomId)
  if (inside) await account.ok('POST', roomPath(roomId, 'leave'), {})
  else await mustJoin(account, roomId)
}

test('what became of a member while their server was away is what they find', async () => {
  await using world = await startThreeServers()
  const { alice, bob, carol } = world
  const [, , carols] = world.servers
  const all = [alice, bob, carol]
  const open = async (): Promise<string> => {
    const roomId = await createRoom(alice, { preset: 'public_chat', room_version: '10' })
    for (const account of [bob, carol]) await mustJoin(account, roomId, alice)
    await expectSameState(roomId, all)
    return roomId
  }
  const kicked = await open()
  const banned = await open()
  const invitedBack = await open()
  const upgraded = await open()
  await using client = await SyncFollower.begin(carol)

  await carols.process.end('SIGKILL')
  await act(alice, kicked, 'kick', carol)
  await act(alice, banned, 'ban', carol)
  await act(alice, invitedBack, 'ban', carol)
  await act(alice, invitedBack, 'unban', carol)
  await act(alice, invitedBack, 'invite', carol)
  const { replacement_room: replacement } = await alice.ok('POST', roomPath(upgraded, 'upgrade'), { new_version: '12' })
  await mustJoin(bob, replacement, alice)
  const first = await createRoom(alice, { preset: 'private_chat', invite: [carol.userId] })
  await say(bob, kicked, 'not for carol')
  await carols.start()

  await soon('carol is out', async () => (await carol.joinedRooms()).join() === upgraded)
  await eventually('her client is told', PATIENCE_MS, () => {
    const told = [kicked, banned, invitedBack, first].map((roomId) => client.memberships.get(roomId))
    expect(told).toEqual(['leave', 'leave', 'invite', 'invite'])
    return true
  })
  await soon(
    'the tombstone is seen',
    async () => (await stateContent(carol, upgraded, 'm.room.tombstone'))?.replacement_room === replacement,
  )
  for (const roomId of [kicked, invitedBack, replacement]) {
    await mustJoin(carol, roomId, alice)
    await expectSameState(roomId, all)
    await expectSameHistory(roomId, all)
  }
  await mustJoin(carol, first)
  expect((await carol.join(banned, alice.serverName)).status).toBe(403)
})

test('two servers that are cut off from each other change the room, and a third that meets them in turn brings them together', async () => {
  // Only Carol's server has both relays: neither of the others leaves mail where the other one's relay is down.
  await using world = await startThreeServers([[0], [1], [0, 1]])
  const { alice, bob, carol, dave } = world
  const [alices, bobs, carols] = world.servers
  const [alicesRelay, bobsRelay] = world.constellation.relays
  const stop = async (...processes: readonly (Restartable | undefined)[]): Promise<void> => {
    await Promise.all(processes.map(async (one) => one?.process.end('SIGTERM')))
  }
  const start = async (...processes: readonly (Restartable | undefined)[]): Promise<void> => {
    for (const one of processes) await one?.start()
  }
  const all = [alice, bob, carol]
  const rooms = await Promise.all(
    ['1', '10', '12'].map(async (version) => createRoom(alice, { preset: 'public_chat', room_version: version, topic: 'before' })),
  )
  for (const roomId of rooms) {
    for (const account of [bob, carol, dave]) await mustJoin(account, roomId, alice)
    await setPower(alice, roomId, { [bob.userId]: 60 })
    await expectSameState(roomId, all)
  }
  await stop(alicesRelay, alices, carols)
  for (const roomId of rooms) {
    await say(bob, roomId, 'apart: bob')
    await setState(bob, roomId, 'm.room.topic', { topic: 'chosen by bob' })
    await act(bob, roomId, 'ban', dave)
  }
  await stop(bobs, bobsRelay)
  await start(alicesRelay, alices)
  for (const roomId of rooms) {
    await setPower(alice, roomId, { [bob.userId]: 0 })
    await setState(alice, roomId, 'm.room.topic', { topic: 'chosen by alice' })
    await say(alice, roomId, 'apart: alice')
    await say(dave, roomId, 'apart: dave')
  }
  await start(carols)
  for (const roomId of rooms) {
    await expectSameState(roomId, [alice, carol])
    await soon('carol hears alice', async () => (await textsOf(carol, roomId)).includes('apart: dave'))
  }
  await stop(alices, alicesRelay, carols)
  await start(bobsRelay, bobs, carols)
  for (const roomId of rooms) {
    await say(carol, roomId, 'between them')
    await soon('bob hears of what alice did', async () => (await textsOf(bob, roomId)).includes('apart: alice'))
    await expectSameState(roomId, [bob, carol])
    // The demotion is of more weight than what the demoted did at the same time.
    expect(await stateContent(bob, roomId, 'm.room.topic')).toMatchObject({ topic: 'chosen by alice' })
  }
  await start(alicesRelay, alices)
  for (const roomId of rooms) {
    await expectSameState(roomId, all)
    expect(await membership(carol, roomId, dave)).toBe('join')
    await say(dave, roomId, 'together again')
    await soon('all hear dave', async () => {
      for (const account of all) expect(await textsOf(account, roomId)).toContain('together again')
      return true
    })
    await expectSameState(roomId, all)
    await expectSameHistory(roomId, all)
  }
})
