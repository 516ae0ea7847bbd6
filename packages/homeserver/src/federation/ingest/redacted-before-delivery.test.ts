import type { EventId, RoomId } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { asJson } from '@kith/testkit/hostile/hostile-room'
import { expectHonestAgree, hostileSetting } from '../hostile/hostile-setting.test-support.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import { never, SimulatedRelay, SimulatedServer } from '../simulated-server.test-support.ts'
import { federationTables } from '../tables.ts'

const HOUR_MS = 3_600_000

test('what was redacted before it was delivered keeps nothing waiting, though only a relay connects the two', async () => {
  const { world, relay, alice, bob, roomId } = await apart()
  await relay.kill()
  const redacted = await alice.send(roomId, 'regretted')
  await redact(alice, roomId, redacted)
  await alice.send(roomId, 'alice goes on')
  await relay.start()
  await world.run(HOUR_MS)
  expect(await bob.messages(roomId)).toEqual(['', 'alice goes on'])
  expect(bob.rooms.extremities(roomId)).toEqual(alice.rooms.extremities(roomId))
  expect(await stagedAt(bob)).toBe(0)
})

test('nor does what was redacted by somebody who had not seen it', async () => {
  const { world, relay, alice, bob, roomId } = await apart()
  await relay.kill()
  const wanted = await bob.send(roomId, 'seen by nobody')
  const redaction = await redact(alice, roomId, wanted)
  // It comes to bob first.
  await bob.rooms.receive(roomId, redaction.pdu, never)
  await relay.start()
  await bob.send(roomId, 'bob goes on')
  await world.run(HOUR_MS)
  expect((await alice.messages(roomId)).toSorted()).toEqual(['', 'bob goes on'])
  expect(await stagedAt(alice)).toBe(0)
})

test('nor does what was redacted by somebody who had been put out of the room, which makes both events fail', async () => {
  const { world, relay, alice, bob, roomId } = await apart()
  await relay.kill()
  const regretted = await bob.send(roomId, 'regretted')
  await redact(bob, roomId, regretted)
  await alice.rooms.send({ roomId, sender: alice.user, type: 'm.room.member', stateKey: bob.user, content: { membership: 'leave' } }, never)
  await relay.start()
  await world.run(2 * HOUR_MS)
  expect((await alice.rooms.event(regretted as EventId))?.status).toBe('soft-failed')
  expect(await stagedAt(alice)).toBe(0)
})

test('a whole copy that turns up later takes the place of a damaged one that counted as redacted', async () => {
  const setting = await hostileSetting()
  const { world, alice, bob, carol, mallory, room, roomId } = setting
  for (const { server } of [bob, carol]) world.network.cut(alice.server, server)
  const event = room.note(await room.message('hashed'))
  const upon = room.note(await room.message('upon it'))
  const changed = { ...asJson(event), content: { msgtype: 'm.text', body: 'not hashed' } }
  mallory.answering(({ path, origin }) =>
    path.startsWith('/v1/event/') && origin === alice.server ? Response.json({ pdus: [changed] }) : undefined,
  )
  await mallory.send(bob.server, [event.pdu, upon.pdu])
  await mallory.send(alice.server, [changed, upon.pdu])
  await world.run(600_000)
  expect(await alice.messages(roomId)).toEqual(['', 'upon it'])
  world.network.mendAll()
  await world.run(HOUR_MS)
  await expectHonestAgree(setting, ['hashed', 'upon it'])
  expect(await stagedAt(alice)).toBe(0)
})

/** Alice and bob share a room and a relay, and from then on never reach each other. */
async function apart() {
  const world = new SimulatedWorld(5)
  const relay = await new SimulatedRelay(world).start()
  const alice = await new SimulatedServer(world, 'alice', [relay.server]).start()
  const bob = await new SimulatedServer(world, 'bob', [relay.server]).start()
  await world.run(2_000)
  const roomId = await alice.createRoom()
  await alice.bringIn(bob, roomId)
  await world.run(10_000)
  world.network.cut(alice.server, bob.server)
  return { world, relay, alice, bob, roomId }
}

async function redact(server: SimulatedServer, roomId: RoomId, target: string): Promise<StoredEvent> {
  const draft = { roomId, sender: server.user, type: 'm.room.redaction', redacts: target as EventId, content: {} }
  const outcome = await server.rooms.send(draft, never)
  const stored = outcome.kind === 'sent' ? await server.rooms.event(outcome.eventId) : undefined
  if (stored === undefined) throw new Error(`Not redacted: ${JSON.stringify(outcome)}`)
  return stored
}

async function stagedAt(server: SimulatedServer): Promise<number> {
  return (await server.storage.range(federationTables.staged, { limit: 10 })).length
}
