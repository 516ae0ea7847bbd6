import { ownString } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { federationTables } from '../tables.ts'
import { join, leave, makeRoom, setState, threeServers } from './rooms.test-support.ts'

const HOUR_MS = 60 * 60_000

/**
 * Bob, whom Alice never reaches, joins at Carol's while Alice hears of nothing, and goes on with the room. Carol is gone before Bob can ask
 * her for anything, so that what he gets of it comes from Alice, by way of the relay.
 */
async function joinedBeside(visibility: string, between: readonly string[] = []) {
  const { world, alice, bob, carol } = await threeServers()
  const roomId = await makeRoom(alice, { state: { 'm.room.history_visibility': { history_visibility: visibility } } })
  for (const one of [alice, bob]) {
    const other = one === alice ? bob : alice
    await one.federation.rememberContact({ userId: other.user, relayList: await other.federation.relayList() })
  }
  await join(world, carol, roomId, [alice])
  await world.run(5_000)
  world.network.hide(alice.server, bob.server)
  alice.network.goDown()
  for (const body of between) await carol.send(roomId, body)
  expect(await join(world, bob, roomId, [carol])).toEqual({ kind: 'joined', roomId })
  bob.network.goDown()
  const secret = await alice.send(roomId, 'among those inside')
  await setState(alice, roomId, 'm.room.topic', { topic: 'beside' })
  await leave(world, carol, roomId)
  alice.network.comeUp()
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

test.each(['joined', 'shared'])('what lies behind both is asked for by mail, where nobody else has it (%s)', async (visibility) => {
  const between = Array.from({ length: 60 }, (_, index) => `carol says ${index}`)
  const { alice, bob, roomId } = await joinedBeside(visibility, between)
  expect(bob.rooms.state(roomId)?.get('m.room.topic', '')?.pdu.content).toEqual({ topic: 'beside' })
  expect(bob.rooms.extremities(roomId)).toEqual(alice.rooms.extremities(roomId))
  const { events } = await bob.rooms.page(roomId, { from: undefined, direction: 'f', limit: 200 })
  const said = events.map(({ pdu }) => ownString(pdu.content, 'body')).filter((body) => body?.startsWith('carol says') === true)
  expect(said).toEqual(visibility === 'joined' ? [] : between)
  // It is history, and nobody's news.
  expect((await bob.messages(roomId)).filter((body) => body !== '' && body !== 'among those inside')).toEqual(['to all'])
  expect(await bob.storage.range(federationTables.staged, { limit: 10 })).toEqual([])
})
