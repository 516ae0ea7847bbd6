import { expect, test } from 'vitest'
import { federationTables } from '../tables.ts'
import { join, leave, makeRoom, setState, threeServers } from './rooms.test-support.ts'

const HOUR_MS = 60 * 60_000

/**
 * Bob, whom Alice never reaches, joins at Carol's while Alice hears of nothing, and goes on with the room. Carol is gone before Bob can ask
 * her for anything, so that what he gets of it comes from Alice, by way of the relay.
 */
async function joinedBeside(visibility: string) {
  const { world, alice, bob, carol } = await threeServers()
  const roomId = await makeRoom(alice, { state: { 'm.room.history_visibility': { history_visibility: visibility } } })
  for (const one of [alice, bob]) {
    const other = one === alice ? bob : alice
    await one.federation.rememberContact({ userId: other.user, relayList: await other.federation.relayList() })
  }
  await join(world, carol, roomId, [alice])
  await world.run(5_000)
  world.network.hide(alice.server, bob.server)
  world.network.cut(alice.server, carol.server)
  expect(await join(world, bob, roomId, [carol])).toEqual({ kind: 'joined', roomId })
  bob.network.goDown()
  const secret = await alice.send(roomId, 'among those inside')
  await setState(alice, roomId, 'm.room.topic', { topic: 'beside' })
  await leave(world, carol, roomId)
  world.network.mend(alice.server, carol.server)
  await world.runUntil(() => alice.rooms.state(roomId)?.isJoined(bob.server) === true, HOUR_MS, 'alice hears of the join')
  await world.run(5_000)
  await carol.kill()
  bob.network.comeUp()
  await alice.send(roomId, 'to all')
  await world.run(2 * HOUR_MS)
  return { alice, bob, roomId, secret }
}

test.each(['joined', 'shared'])('what a server did beside the join of another comes to that, as it may see it (%s)', async (visibility) => {
  const { alice, bob, roomId, secret } = await joinedBeside(visibility)
  expect(bob.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({ topic: 'beside' })
  expect(bob.rooms.extremities(roomId)).toEqual(alice.rooms.extremities(roomId))
  const told = visibility === 'joined' ? [] : ['among those inside']
  const stored = await bob.rooms.event(secret as Parameters<typeof bob.rooms.event>[0])
  expect(stored?.pdu.content).toEqual(visibility === 'joined' ? {} : { msgtype: 'm.text', body: told[0] })
  expect((await bob.messages(roomId)).filter((body) => body !== '')).toEqual([...told, 'to all'])
  expect(await bob.storage.range(federationTables.staged, { limit: 10 })).toEqual([])
  for (const states of (await alice.undelivered()).values()) expect(Object.keys(states)).not.toContain(bob.server)
})
