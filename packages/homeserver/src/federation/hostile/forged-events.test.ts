import { type JsonObject, ownMember, type Pdu } from '@kith/matrix-protocol'
import { asJson } from '@kith/testkit/hostile/hostile-room'
import { describe, expect, test } from 'vitest'
import type { SimulatedServer } from '../simulated-server.test-support.ts'
import { limits } from '../../limits.ts'
import { expectHonestAgree, hostileSetting, type HostileSetting, isVisible } from './hostile-setting.test-support.ts'

/** What the answer to a transaction says of each event in it. */
function errorsIn(answer: { readonly body: JsonObject }): unknown[] {
  return Object.values((answer.body['pdus'] ?? {}) as JsonObject).map((result) => ownMember(result as JsonObject, 'error'))
}

describe.each(['1', '6', '11', '12'])('in room version %s, events that', (version) => {
  test('nobody signed, or another server than the sender’s, are refused and cause no request', async () => {
    const setting = await hostileSetting({ version })
    const { world, alice, bob, mallory, room, requestsBy } = setting
    const unsigned = { ...asJson(await room.message('no signature')), signatures: {} }
    const own = await room.message('changed signature')
    const flipped = { ...asJson(own), signatures: { [mallory.server]: { 'ed25519:1': 'A'.repeat(86) } } }
    const asAlice = await room.message('in the name of alice', { sender: alice.user })
    const forged = await forgedInTheNameOf(alice, setting)
    const asBobUponNothing = await room.make({
      type: 'm.room.message',
      content: { body: 'in the name of bob, upon nothing' },
      sender: bob.user,
      prev_events: [mallory.inventEventId(room.version)],
    })
    const rows = setting.rowsOf(bob)
    const asked = requestsBy(bob.server, '/get_missing_events/') + requestsBy(bob.server, '/event/')
    const answer = await mallory.send(bob.server, [unsigned, flipped, forged, asAlice.pdu, asBobUponNothing.pdu])
    expect(answer.status).toBe(200)
    await world.run(5_000)
    for (const error of errorsIn(answer)) expect(error).toBeTypeOf('string')
    expect(requestsBy(bob.server, '/get_missing_events/') + requestsBy(bob.server, '/event/')).toBe(asked)
    // The answer to the transaction is remembered, and a lease of positions; no event is.
    expect(setting.rowsOf(bob) - rows).toBeLessThanOrEqual(3)
    await expectHonestAgree(setting)
  })

  test('the sender has no right to send, change nothing', async () => {
    const setting = await hostileSetting({ version })
    const { world, alice, bob, mallory, room, roomId } = setting
    const before = bob.rooms.state(roomId)?.get('m.room.power_levels', '')?.eventId
    const crown = await room.make({ type: 'm.room.power_levels', state_key: '', content: { users: { [mallory.user]: 100 } } })
    const withCrown = await room.make({
      type: 'm.room.member',
      state_key: alice.user,
      content: { membership: 'ban' },
      prev: [crown],
      auth: [room.stateEvent('m.room.power_levels', ''), room.stateEvent('m.room.member', mallory.user)],
    })
    for (const { server } of [alice, bob]) await mallory.send(server, [crown.pdu, withCrown.pdu])
    await world.run(5_000)
    for (const server of [alice, bob]) {
      expect(server.rooms.state(roomId)?.get('m.room.power_levels', '')?.eventId).toBe(before)
      expect(server.rooms.state(roomId)?.membershipOf(alice.user)).toBe('join')
    }
    await expectHonestAgree(setting)
  })
})

describe('transactions', () => {
  test('that come again, at once or later, under the same or another id, change nothing', async () => {
    const setting = await hostileSetting()
    const { world, bob, alice, mallory, room } = setting
    const event = room.note(await room.message('once'))
    const pdus = [event.pdu]
    const edus = [toDevice(mallory.user, bob.user, 'one')]
    const same = Array.from({ length: 20 }, () => mallory.sendLater(bob.server, pdus, edus, { txnId: 'same' }))
    await world.finish(Promise.all(same))
    for (let count = 0; count < 5; count++) await mallory.send(bob.server, pdus, [], { txnId: `again ${count}` })
    await mallory.send(alice.server, pdus)
    expect(bob.inbox.size).toBe(1)
    await bob.kill()
    await bob.start()
    const rows = setting.rowsOf(bob, 'timeline.stream')
    await mallory.send(bob.server, pdus, edus, { txnId: 'same' })
    expect(setting.rowsOf(bob, 'timeline.stream')).toBe(rows)
    await expectHonestAgree(setting, ['once'])
  })

  test('with malformed parts get Matrix errors, and what is right in them is taken', async () => {
    const setting = await hostileSetting()
    const { world, bob, alice, mallory, room, roomId } = setting
    const good = room.note(await room.message('in bad company'))
    const json = asJson(good)
    const junk: JsonObject[] = [
      { room_id: roomId },
      { ...json, depth: -1 },
      { ...json, depth: 1e300 },
      { ...json, depth: 1.5 },
      { ...json, prev_events: Array.from({ length: 21 }, () => mallory.inventEventId(room.version)) },
      { ...json, auth_events: Array.from({ length: 11 }, () => mallory.inventEventId(room.version)) },
      { ...json, prev_events: 'x' },
      { ...json, sender: 'nobody' },
      { ...json, content: { body: 'x'.repeat(70_000) } },
      { ...json, __proto__: null, hashes: { sha256: 7 } },
      { ...json, signatures: { [alice.server]: 'x' } },
    ]
    const values = [null, 1, 'x', [], {}, ...junk, json]
    expect((await mallory.send(bob.server, values)).status).toBe(200)
    await mallory.send(alice.server, [good.pdu])
    const refused: [number, unknown][] = []
    for (const body of ['', 'x', '[]', '{"pdus":1}', '{"pdus":[],"edus":{}}', `{"pdus":${'['.repeat(5_000)}${']'.repeat(5_000)}}`]) {
      const answer = await mallory.call(bob.server, 'PUT', `/v1/send/bad${refused.length}`, body)
      refused.push([answer.status, answer.body['errcode']])
    }
    for (const [status, errcode] of refused) expect([status, typeof errcode]).toEqual([400, 'string'])
    const many = Array.from({ length: limits.specification.pdusPerTransactionMax + 1 }, () => good.pdu)
    expect((await mallory.send(bob.server, many)).status).toBe(400)
    const other = await mallory.send(bob.server, [], [], { origin: alice.server })
    expect(other.status).toBe(403)
    await world.run(1_000)
    await expectHonestAgree(setting, ['in bad company'])
  })

  test('of events of other rooms bring nothing into this one', async () => {
    const setting = await hostileSetting()
    const { world, bob, alice, mallory, room, roomId } = setting
    const elsewhere = await alice.createRoom()
    const event = await room.message('from elsewhere', { room_id: elsewhere })
    const answer = await mallory.send(bob.server, [event.pdu])
    expect(answer.body).toEqual({ pdus: {} })
    const uponElsewhere = await room.make({
      type: 'm.room.message',
      content: { body: 'upon elsewhere' },
      prev_events: [...alice.rooms.extremities(elsewhere)],
    })
    await mallory.send(alice.server, [uponElsewhere.pdu])
    await world.run(5_000)
    expect(await isVisible(alice, roomId, uponElsewhere.eventId)).toBe(false)
    await expectHonestAgree(setting)
  })
})

describe('content that is not what was hashed', () => {
  test('is not taken from its own server, which may show others the whole one', async () => {
    const setting = await hostileSetting()
    const { bob, alice, mallory, room } = setting
    const event = room.note(await room.message('hashed'))
    await mallory.send(alice.server, [{ ...asJson(event), content: { msgtype: 'm.text', body: 'not hashed' } }])
    await mallory.send(bob.server, [event.pdu])
    await expectHonestAgree(setting, ['hashed'])
  })

  test('counts as redacted when nobody has it whole', async () => {
    const setting = await hostileSetting()
    const { bob, alice, mallory, room } = setting
    const damaged = room.note(await room.message('hashed'))
    const upon = room.note(await room.message('upon it'))
    const changed = { ...asJson(damaged), content: { msgtype: 'm.text', body: 'not hashed' } }
    mallory.answering(({ path }) => (path.startsWith('/v1/event/') ? Response.json({ pdus: [changed] }) : undefined))
    for (const { server } of [alice, bob]) await mallory.send(server, [changed, upon.pdu])
    await expectHonestAgree(setting, ['', 'upon it'])
  })

  test('is not believed of another’s event while somebody has the whole one', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, mallory, room, roomId } = setting
    world.network.cut(alice.server, bob.server)
    const eventId = await alice.send(roomId, 'alice speaks')
    await world.run(2_000)
    const carried = mallory.asked.flatMap(({ body }) => (Array.isArray(body['pdus']) ? body['pdus'] : [])) as unknown as Pdu[]
    const pdu = carried.find((candidate) => candidate.content['body'] === 'alice speaks')
    if (pdu === undefined) throw new Error('mallory was not sent the event')
    world.network.mend(alice.server, bob.server)
    await mallory.send(bob.server, [{ ...(pdu as unknown as JsonObject), content: { msgtype: 'm.text', body: 'words in her mouth' } }])
    await world.run(60_000)
    expect((await bob.rooms.event(eventId as never))?.pdu.content['body']).toBe('alice speaks')
    room.learn(pdu as never)
    await expectHonestAgree(setting)
  })
})

test('planted: with a verifier that believes everything, words in the mouth of alice are seen', async () => {
  const setting = await hostileSetting()
  const { bob, alice, mallory } = setting
  await weakenVerifier(setting)
  await mallory.send(bob.server, [await forgedInTheNameOf(alice, setting)])
  expect(await bob.messages(setting.roomId)).toContain('in the name of alice')
})

async function weakenVerifier({ world, bob }: HostileSetting): Promise<void> {
  await bob.kill()
  Object.assign(bob.identity.crypto, { verify: async () => true })
  await bob.start()
  await world.run(2_000)
}

/** Rightly hashed, and with a signature of alice that is one of mallory. */
async function forgedInTheNameOf({ user, server }: SimulatedServer, setting: HostileSetting): Promise<JsonObject> {
  const { room, mallory } = setting
  const { pdu } = await room.message('in the name of alice', { sender: user, auth: authOf(setting) })
  return { ...pdu, signatures: { [server]: pdu.signatures[mallory.server] ?? {} } }
}

function authOf({ room, alice }: HostileSetting) {
  const create = room.version.roomIdIsCreateEvent ? [] : [room.stateEvent('m.room.create', '')]
  return [...create, room.stateEvent('m.room.power_levels', ''), room.stateEvent('m.room.member', alice.user)]
}

function toDevice(from: string, to: string, id: string): JsonObject {
  const content = { sender: from, type: 'm.room.encrypted', message_id: id, messages: { [to]: { D: {} } } }
  return { edu_type: 'm.direct_to_device', content }
}
