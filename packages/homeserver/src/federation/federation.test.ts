import type { JsonObject, RoomId } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { describe, expect, test } from 'vitest'
import { StorageFullError } from '../ports/index.ts'
import { federationTables } from './tables.ts'
import { ask, outboxCount, roomOfTwo, twoServersAndRelay } from './settings.test-support.ts'
import { signJson } from './signed-json.ts'
import { never, SimulatedRelay, SimulatedServer } from './simulated-server.test-support.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

describe('two servers that are there', () => {
  test('invite, join and talk both ways', async () => {
    const { world, alice, bob, roomId } = await roomOfTwo()
    await alice.send(roomId, 'from alice')
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, 5_000, "alice's message arrives")
    await bob.send(roomId, 'from bob')
    await world.runUntil(async () => (await alice.messages(roomId)).length === 2, 5_000, "bob's message arrives")
    expect(await bob.messages(roomId)).toEqual(['from alice', 'from bob'])
    await world.run(1_000)
    expect(await alice.undelivered()).toEqual(new Map())
    expect(await bob.undelivered()).toEqual(new Map())
  })

  test('leave typing and receipts aside when the other is away', async () => {
    const { world, alice, bob, roomId } = await roomOfTwo()
    const typing = { type: 'm.typing', content: { room_id: roomId, user_id: alice.user, typing: true } }
    alice.federation.sendEphemeral([bob.server], typing)
    await world.run(1_000)
    expect(bob.ephemeral).toEqual([typing])
    bob.network.goDown()
    alice.federation.sendEphemeral([bob.server], typing)
    await world.run(MINUTE_MS)
    bob.network.comeUp()
    await world.run(MINUTE_MS)
    expect(bob.ephemeral).toEqual([typing])
  })

  test('profiles are asked for, and remembered while the other is away', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const found = { kind: 'found', profile: { displayname: 'Somebody' } }
    expect(await world.finish(alice.federation.queryProfile(bob.user, never))).toEqual(found)
    bob.network.goDown()
    await world.run(DAY_MS)
    expect(await world.finish(alice.federation.queryProfile(bob.user, never))).toEqual(found)
  })

  test('history from before the join is fetched on demand', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await alice.createRoom()
    for (let count = 0; count < 30; count++) await alice.send(roomId, `old ${count}`)
    await alice.bringIn(bob, roomId)
    const page = await bob.rooms.page(roomId, { from: undefined, direction: 'b', limit: 50 })
    expect(page.gapAt).toBeDefined()
    expect(await world.finish(bob.federation.backfill(roomId, page.gapAt ?? [], 50, never))).toBeGreaterThan(30)
    const whole = await bob.rooms.page(roomId, { from: undefined, direction: 'b', limit: 100 })
    expect(whole.events.filter(({ pdu }) => pdu.type === 'm.room.message')).toHaveLength(30)
  })

  test('an invite is rejected with the help of the server that invited', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await alice.createRoom()
    await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: bob.user, content: {} }, never))
    expect(bob.rooms.invite(roomId, bob.user)).toBeDefined()
    expect(await world.finish(bob.federation.leaveRoom({ roomId, userId: bob.user, content: {} }, never))).toEqual({ kind: 'left' })
    expect(bob.rooms.invite(roomId, bob.user)).toBeUndefined()
    expect(alice.rooms.state(roomId)?.membershipOf(bob.user)).toBe('leave')
  })

  test('nobody joins uninvited, and unknown users are not invited', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const roomId = await alice.createRoom()
    const joined = await world.finish(bob.federation.joinRoom({ roomId, userId: bob.user, via: [alice.server], content: {} }, never))
    expect(joined).toMatchObject({ kind: 'refused', status: 403, errcode: 'M_FORBIDDEN' })
    const stranger = `@nobody:${bob.server}` as typeof bob.user
    const invited = await world.finish(alice.federation.invite({ roomId, sender: alice.user, invitee: stranger, content: {} }, never))
    expect(invited).toMatchObject({ kind: 'refused', status: 403 })
    expect(alice.rooms.state(roomId)?.membershipOf(stranger)).toBeUndefined()
  })
})

describe('a peer that sleeps', () => {
  test('gets its mail from the relay, in order and once, and the sender learns of it', async () => {
    const { world, alice, bob, roomId, stateAtAlice, mailCount } = await roomOfTwo()
    await bob.kill()
    const sent = Array.from({ length: 20 }, (_, index) => `message ${index}`)
    for (const body of sent) {
      await alice.sendToDevice(bob, `key of ${body}`)
      await alice.send(roomId, body)
      await world.run(100)
    }
    await world.runUntil(async () => (await stateAtAlice()).every((state) => state === 'at_relay'), MINUTE_MS, 'all is at the relay')
    expect(await stateAtAlice()).toHaveLength(20)
    await alice.kill()
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 20, MINUTE_MS, 'bob has everything')
    expect(await bob.messages(roomId)).toEqual(sent)
    expect(bob.inbox.size).toBe(20)
    expect([...bob.inbox.values()][0]?.['messages']).toEqual({ [bob.user]: { DEVICE: { text: 'key of message 0', fraction: 0.5 } } })
    await alice.start()
    await world.runUntil(async () => (await alice.undelivered()).size === 0, MINUTE_MS, 'alice knows')
    await world.run(MINUTE_MS)
    expect(await bob.messages(roomId)).toEqual(sent)
    expect([await mailCount(), await outboxCount(alice), await outboxCount(bob)]).toEqual([0, 0, 0])
  })

  test('is invited through the relay', async () => {
    const { world, alice, bob } = await twoServersAndRelay()
    const list = await bob.federation.relayList()
    await alice.federation.rememberContact({ userId: bob.user, relayList: list })
    await bob.kill()
    const roomId = await alice.createRoom()
    const invite = alice.federation.invite({ roomId, sender: alice.user, invitee: bob.user, content: {} }, never)
    expect(await world.finish(invite)).toMatchObject({ kind: 'invited' })
    await world.run(MINUTE_MS)
    await bob.start()
    await world.runUntil(() => bob.rooms.invite(roomId, bob.user) !== undefined, MINUTE_MS, 'the invite arrives')
    expect(bob.rooms.invite(roomId, bob.user)?.strippedState.map(({ type }) => type)).toContain('m.room.create')
    expect(await world.finish(bob.federation.joinRoom({ roomId, userId: bob.user, via: [], content: {} }, never))).toMatchObject({
      kind: 'joined',
    })
    await bob.send(roomId, 'here I am')
    await world.runUntil(async () => (await alice.messages(roomId)).length === 1, MINUTE_MS, 'they talk')
  })

  test('is handed its mail over again when the custody of the relay runs out', async () => {
    const { world, alice, bob, roomId, stateAtAlice } = await roomOfTwo({ custodyMs: DAY_MS })
    await bob.kill()
    await alice.send(roomId, 'for a long time')
    await world.run(MINUTE_MS)
    expect(await stateAtAlice()).toEqual(['at_relay'])
    await world.run(5 * DAY_MS)
    expect(await stateAtAlice()).toEqual(['at_relay'])
    await alice.kill()
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, MINUTE_MS, 'the relay still has it')
  })

  test('gets what the relay lost from the sender', async () => {
    const { world, relay, alice, bob, roomId, stateAtAlice } = await roomOfTwo()
    await bob.kill()
    await alice.send(roomId, 'lost by the relay')
    await world.run(MINUTE_MS)
    expect(await stateAtAlice()).toEqual(['at_relay'])
    await relay.kill()
    relay.disk.tables.clear()
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, 30 * MINUTE_MS, 'alice delivers directly')
    await world.runUntil(async () => (await alice.undelivered()).size === 0, MINUTE_MS, 'alice knows')
  })

  test('waits in the outbox while no relay takes its mail', async () => {
    const { world, alice, bob, roomId, stateAtAlice } = await roomOfTwo({ bytesPerSenderMax: 100 })
    await bob.kill()
    await alice.send(roomId, 'too much for the relay')
    await world.run(10 * MINUTE_MS)
    expect(await stateAtAlice()).toEqual(['waiting'])
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, 30 * MINUTE_MS, 'it arrives in the end')
  })

  test('whose disk is full acknowledges nothing, and has everything once there is room', async () => {
    const { world, alice, bob, roomId, mailCount, stateAtAlice } = await roomOfTwo()
    await bob.kill()
    await alice.send(roomId, 'one')
    await alice.sendToDevice(bob, 'key')
    await world.run(MINUTE_MS)
    await bob.start()
    bob.storageFault = () => {
      throw new StorageFullError('full')
    }
    await alice.send(roomId, 'two')
    await world.run(5 * MINUTE_MS)
    expect(await mailCount()).toBeGreaterThan(0)
    expect(await stateAtAlice()).toHaveLength(2)
    bob.storageFault = undefined
    await world.runUntil(async () => (await bob.messages(roomId)).length === 2, 30 * MINUTE_MS, 'everything arrives')
    await world.runUntil(async () => (await mailCount()) === 0, 30 * MINUTE_MS, 'the mailbox is emptied')
    expect(await bob.messages(roomId)).toEqual(['one', 'two'])
    expect(bob.inbox.size).toBe(1)
  })
})

describe('a relay or a stranger cannot', () => {
  test('block a mailbox with mail that is no transaction', async () => {
    const { world, relay, alice, bob, roomId, mailCount } = await roomOfTwo()
    const mallory = world.createIdentity()
    await bob.kill()
    const path = (name: string) => `v1/send_relay/${name}/@u:${bob.server}`
    expect((await ask(world, mallory, relay.server, 'PUT', path('a'), { pdus: [], edus: [], origin: 7 })).status).toBe(200)
    expect(
      (await ask(world, mallory, relay.server, 'PUT', path('b'), { pdus: [null, 1, {}], edus: ['x'], origin: mallory.server })).status,
    ).toBe(200)
    await alice.send(roomId, 'behind the poison')
    await world.run(MINUTE_MS)
    await bob.start()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 1, MINUTE_MS, 'the mail behind it arrives')
    await world.runUntil(async () => (await mailCount()) === 0, MINUTE_MS, 'the mailbox is emptied')
  })

  test('forge to-device messages of another server, or replay those meant for another', async () => {
    const { world, relay, alice, bob } = await roomOfTwo()
    const mallory = world.createIdentity()
    const edu = (id: string) => {
      const content = { sender: alice.user, type: 'm.room.encrypted', message_id: id, messages: { [bob.user]: { D: {} } } }
      return { edu_type: 'm.direct_to_device', content }
    }
    const envelope = (id: string, destination: string): JsonObject => ({
      origin: alice.server,
      origin_server_ts: 0,
      destination,
      transaction_id: id,
      pdus: [],
      edus: [edu(id)],
    })
    const unsigned = envelope('unsigned', bob.server)
    const forged = await signJson(mallory.crypto, alice.server, envelope('forged', bob.server))
    const own = await signJson(mallory.crypto, mallory.server, { ...envelope('own', bob.server), origin: mallory.server })
    const other = await signJson(alice.identity.crypto, alice.server, envelope('other', mallory.server))
    const right = await signJson(alice.identity.crypto, alice.server, envelope('right', bob.server))
    for (const [name, body] of Object.entries({ unsigned, forged, own, other, right })) {
      const put = await ask(world, mallory, relay.server, 'PUT', `v1/send_relay/${name}/@u:${bob.server}`, body)
      expect(put.status).toBe(200)
    }
    await world.runUntil(() => bob.inbox.size > 0, MINUTE_MS, 'mail arrives')
    await world.run(MINUTE_MS)
    // `own` is rightly signed, but speaks for a user of alice: whoever holds the users refuses it, which this test's stand-in does not.
    expect([...bob.inbox.keys()].map((key) => key.split(' ')[1])).toEqual(['own', 'right'])
  })

  test('announce mail', async () => {
    const { world, bob } = await twoServersAndRelay()
    const answer = await ask(world, world.createIdentity(), bob.server, 'POST', 'unstable/im.kith/mail_waiting', { entries: 1 })
    expect([answer.status, answer.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('healing', () => {
  test('what one server could not bring is fetched from another that has it', async () => {
    const world = new SimulatedWorld(3)
    const servers: SimulatedServer[] = []
    for (const name of ['alice', 'bob', 'carol']) servers.push(await new SimulatedServer(world, name, []).start())
    const [alice, bob, carol] = servers as [SimulatedServer, SimulatedServer, SimulatedServer]
    const roomId: RoomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await alice.bringIn(carol, roomId)
    await world.run(10_000)
    world.network.cut(alice.server, carol.server)
    for (let count = 0; count < 5; count++) await alice.send(roomId, `${count}`)
    await world.run(10_000)
    await alice.kill()
    expect(await carol.messages(roomId)).toEqual([])
    await bob.send(roomId, 'from bob')
    await world.runUntil(async () => (await carol.messages(roomId)).length === 6, MINUTE_MS, 'carol has the messages of alice from bob')
  })

  test('what nobody can complete yet is kept until somebody can', async () => {
    const world = new SimulatedWorld(5)
    const relay = await new SimulatedRelay(world).start()
    const servers: SimulatedServer[] = []
    for (const name of ['alice', 'bob', 'carol']) servers.push(await new SimulatedServer(world, name, [relay.server]).start())
    const [alice, bob, carol] = servers as [SimulatedServer, SimulatedServer, SimulatedServer]
    const roomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await alice.bringIn(carol, roomId)
    await world.run(10_000)
    await bob.kill()
    world.network.cut(carol.server, relay.server)
    await carol.send(roomId, 'only with carol and alice')
    await world.run(MINUTE_MS)
    await alice.send(roomId, 'built upon it')
    await world.run(MINUTE_MS)
    await alice.kill()
    carol.network.goDown()
    await bob.start()
    await world.run(5 * MINUTE_MS)
    expect(await bob.messages(roomId)).toEqual([])
    expect(await bob.storage.range(federationTables.staged, { limit: 5 })).toHaveLength(1)
    await bob.kill()
    await bob.start()
    carol.network.comeUp()
    await world.runUntil(async () => (await bob.messages(roomId)).length === 2, 30 * MINUTE_MS, 'carol brings what was missing')
    expect(await bob.messages(roomId)).toEqual(['only with carol and alice', 'built upon it'])
    await world.runUntil(
      async () => (await bob.storage.range(federationTables.staged, { limit: 5 })).length === 0,
      MINUTE_MS,
      'nothing is left',
    )
  })

  test('extremities are compared when two meet, without a new message', async () => {
    const world = new SimulatedWorld(4)
    const servers: SimulatedServer[] = []
    for (const name of ['alice', 'bob', 'carol']) servers.push(await new SimulatedServer(world, name, []).start())
    const [alice, bob, carol] = servers as [SimulatedServer, SimulatedServer, SimulatedServer]
    const roomId: RoomId = await alice.createRoom()
    await alice.bringIn(bob, roomId)
    await alice.bringIn(carol, roomId)
    await world.run(10_000)
    carol.network.goDown()
    await alice.send(roomId, 'while carol is away')
    await world.run(10_000)
    await alice.kill()
    carol.network.comeUp()
    await bob.federation.queryProfile(carol.user, AbortSignal.abort()).catch(() => undefined)
    await world.finish(bob.federation.queryProfile(carol.user, never))
    await world.runUntil(async () => (await carol.messages(roomId)).length === 1, MINUTE_MS, 'carol has it from bob')
  })
})
