import { type EventId, isJsonObject, type JsonObject } from '@kith/matrix-protocol'
import type { Asked } from '@kith/testkit/hostile/hostile-server'
import { asJson } from '@kith/testkit/hostile/hostile-room'
import { describe, expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { never } from '../simulated-server.test-support.ts'
import { expectHonestAgree, hostileSetting, type HostileSetting, roomAt } from './hostile-setting.test-support.ts'

const HOUR_MS = 3_600_000
const FETCHES = ['/v1/get_missing_events/', '/v1/event/', '/v1/state_ids/', '/v1/state/', '/v1/event_auth/', '/v1/backfill/']

const isFetch = ({ path }: Asked): boolean => FETCHES.some((prefix) => path.startsWith(prefix))

/** What mallory was sent by others, as it came. */
function received(setting: HostileSetting): JsonObject[] {
  return setting.mallory.asked.flatMap(({ body }) => (Array.isArray(body['pdus']) ? body['pdus'].filter((pdu) => isJsonObject(pdu)) : []))
}

function endless(): Response {
  return new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }))
}

function huge(): Response {
  const piece = new Uint8Array(1024 * 1024).fill(0x20)
  let pieces = 0
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    if (pieces++ > 200) controller.close()
    else controller.enqueue(piece)
  }
  return new Response(new ReadableStream({ pull }))
}

type Lie = (setting: HostileSetting, asked: Asked) => Promise<Response> | Response

/** All that mallory has of the events, each changed. */
function changed(change: (pdu: JsonObject) => JsonObject): Lie {
  return (setting, { path }) => {
    const pdus = received(setting).map(change)
    if (path.startsWith('/v1/get_missing_events/')) return Response.json({ events: pdus.slice(-50) })
    const wanted = path.slice('/v1/event/'.length)
    const { room } = setting
    const found = received(setting).find((pdu) => {
      room.learn(pdu)
      return room.newest.eventId === wanted
    })
    return found === undefined ? new Response('{}', { status: 404 }) : Response.json({ pdus: [change(found)] })
  }
}

const lies: Record<string, Lie> = {
  'never answers': () => new Promise<Response>(() => undefined),
  'sends a body without end': endless,
  'sends a body without measure': huge,
  'answers with no JSON': () => new Response('<html>'),
  'answers with the wrong shapes': () => Response.json({ events: 7, pdus: {}, pdu_ids: null, auth_chain_ids: [{}] }),
  fails: () => new Response(null, { status: 500 }),
  'knows nothing': () => Response.json({ events: [], pdus: [], pdu_ids: [], auth_chain_ids: [], auth_chain: [] }),
  'answers with the right events and wrong signatures': changed((pdu) => ({
    ...pdu,
    signatures: Object.fromEntries(
      Object.keys((pdu['signatures'] ?? {}) as JsonObject).map((server) => [server, { 'ed25519:1': 'A'.repeat(86) }]),
    ),
  })),
  'answers with the right events and other words in them': changed((pdu) => ({
    ...pdu,
    content: { msgtype: 'm.text', body: 'other words' },
  })),
  'answers with the right events, redacted': changed((pdu) => ({ ...pdu, content: {} })),
  'answers with events of its own': async ({ room }) => {
    const events = await Promise.all(Array.from({ length: 50 }, (_, count) => room.message(`uncalled for ${count}`)))
    return Response.json({ events: events.map(({ pdu }) => pdu), pdus: [events[0]?.pdu as unknown as JsonObject] })
  },
}

describe('a server that is asked for what another lacks and', () => {
  test.each(Object.entries(lies))('%s does not keep it from others that have it', { timeout: 60_000 }, async (_, lie) => {
    const setting = await hostileSetting()
    const { world, alice, bob, mallory, room, roomId } = setting
    mallory.answering((asked) => (isFetch(asked) ? lie(setting, asked) : undefined))
    world.network.cut(alice.server, bob.server)
    for (let count = 0; count < 5; count++) await alice.send(roomId, `alice ${count}`)
    await world.run(2_000)
    for (const pdu of received(setting)) room.learn(pdu)
    // Bob hears of them first from whoever lies about them.
    const upon = room.note(await room.message('upon alice'))
    void mallory.sendLater(bob.server, [upon.pdu])
    await world.run(60_000)
    expect(mallory.asked.some(isFetch)).toBe(true)
    expect((await roomAt(world, bob, roomId)).messages.filter((body) => body.startsWith('alice'))).toEqual(
      Array.from({ length: 5 }, (__, count) => `alice ${count}`),
    )
    world.network.mendAll()
    await expectHonestAgree(setting, ['upon alice'])
    expect(await bob.messages(roomId)).not.toContain('other words')
  })
})

test('planted: without asking others for whole copies, other words come into the room', async () => {
  const lie = lies['answers with the right events and other words in them']
  const planted = limits.implementation as { intactCopyServersMax: number }
  const before = planted.intactCopyServersMax
  planted.intactCopyServersMax = 0
  try {
    const setting = await hostileSetting()
    const { world, alice, bob, carol, mallory, room, roomId } = setting
    mallory.answering((asked) => (isFetch(asked) ? lie?.(setting, asked) : undefined))
    world.network.cut(alice.server, bob.server)
    const eventId = await alice.send(roomId, 'alice')
    await world.run(2_000)
    for (const pdu of received(setting)) room.learn(pdu)
    await mallory.send(bob.server, [room.note(await room.message('upon alice')).pdu])
    expect((await bob.rooms.event(eventId as EventId))?.pdu.content).toEqual({})
    expect((await carol.rooms.event(eventId as EventId))?.pdu.content['body']).toBe('alice')
  } finally {
    planted.intactCopyServersMax = before
  }
})

describe('a state that nobody but a liar vouches for', () => {
  test('gives it no power, and leaves honest servers with one state', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, carol, mallory, room, roomId } = setting
    const create = room.stateEvent('m.room.create', '')
    const member = room.stateEvent('m.room.member', mallory.user)
    const nowhere = [mallory.inventEventId(room.version)]
    // Without power levels anybody could set the topic: so the lie leaves them out.
    const topic = await room.make({
      type: 'm.room.topic',
      state_key: '',
      content: { topic: 'taken over' },
      prev_events: nowhere,
      auth: [create, member],
    })
    const crown = await room.make({
      type: 'm.room.power_levels',
      state_key: '',
      content: { users: { [mallory.user]: 100 } },
      prev: [topic],
      auth: [create, member],
    })
    const upon = await room.message('upon the lie', { prev: [crown], auth: [create, crown, member] })
    const known = new Map([...room.events, ...[topic, crown, upon].map(({ eventId, pdu }) => [eventId, pdu] as const)])
    mallory.answering(room.answersFrom(known))
    mallory.answering(({ path }) => {
      if (path.startsWith('/v1/state_ids/'))
        return Response.json({ pdu_ids: [create.eventId, member.eventId], auth_chain_ids: [create.eventId] })
      return undefined
    })
    const levels = alice.rooms.state(roomId)?.get('m.room.power_levels', '')?.eventId
    for (const { server } of [alice, bob]) await mallory.send(server, [topic.pdu, crown.pdu, upon.pdu])
    await world.run(12 * HOUR_MS)
    expect(mallory.askedCount('/v1/state_ids/')).toBeGreaterThan(0)
    for (const server of [alice, bob, carol]) {
      expect(server.rooms.state(roomId)?.get('m.room.power_levels', '')?.eventId).toBe(levels)
      expect(server.rooms.state(roomId)?.get('m.room.topic', '')).toBeUndefined()
    }
    const seen = (await roomAt(world, alice, roomId)).messages.filter((body) => body === 'upon the lie')
    await expectHonestAgree(setting, seen)
  }, 60_000)
})

describe('history', () => {
  test('that hangs together with nothing known is not shown, and asking for it ends', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, carol, mallory, room, roomId } = setting
    const dave = carol
    const invented = await Promise.all(
      Array.from({ length: 100 }, (_, count) =>
        room.message(`invented ${count}`, {
          prev_events: [mallory.inventEventId(room.version)],
          depth: 1 + (count % 3),
          origin_server_ts: 1,
        }),
      ),
    )
    mallory.answering(({ path }) => {
      if (path.startsWith('/v1/backfill/')) return Response.json({ pdus: invented.map(({ pdu }) => pdu) })
      if (path.startsWith('/v1/event_auth/'))
        return Response.json({ auth_chain: [...room.events.values(), ...invented.map(({ pdu }) => pdu)] })
      return undefined
    })
    alice.network.goDown()
    bob.network.goDown()
    const page = await dave.rooms.page(roomId, { from: undefined, direction: 'b', limit: 50 })
    const rows = setting.rowsOf(dave, 'rooms.events')
    expect(await world.finish(dave.federation.backfill(roomId, page.gapAt ?? [], 100, never))).toBe(0)
    expect(setting.rowsOf(dave, 'rooms.events')).toBe(rows)
    alice.network.comeUp()
    bob.network.comeUp()
    expect(await world.finish(dave.federation.backfill(roomId, page.gapAt ?? [], 100, never))).toBeGreaterThan(0)
    const whole = await dave.rooms.page(roomId, { from: undefined, direction: 'b', limit: 1_000 })
    expect(whole.events.some(({ pdu }) => JSON.stringify(pdu.content).includes('invented'))).toBe(false)
    await expectHonestAgree(setting)
  })
})

describe('extremities that are told', () => {
  test('and do not exist are asked only of whoever told them, and not for ever', async () => {
    const setting = await hostileSetting()
    const { world, bob, mallory, room, roomId, requestsBy } = setting
    const asked = requestsBy(bob.server, '/event/')
    for (let count = 0; count < 40; count++) {
      const extremities = Object.fromEntries([[roomId, Array.from({ length: 50 }, () => mallory.inventEventId(room.version))]])
      await mallory.send(bob.server, [], [], { 'im.kith.extremities': extremities })
      await world.run(1_000)
    }
    await world.run(10 * 60_000)
    expect(mallory.askedCount('/v1/event/')).toBe(requestsBy(bob.server, '/event/') - asked)
    expect(mallory.askedCount('/v1/event/')).toBeLessThan(limits.implementation.fetchRequestsPerCauseMax + 200)
    for (const value of [7, 'x', [], { [roomId]: 7 }, { x: [] }, { [roomId]: [7, null, 'x', {}] }]) {
      expect((await mallory.send(bob.server, [], [], { 'im.kith.extremities': value })).status).toBe(200)
    }
    await expectHonestAgree(setting)
  })
})

describe('floods', () => {
  test('of requests are answered up to a bound, and others still get theirs', async () => {
    const setting = await hostileSetting()
    const { world, bob, mallory, room } = setting
    mallory.answering((asked) => (isFetch(asked) ? new Promise(() => undefined) : undefined))
    // Each misses something, and mallory does not answer for it: so each takes its time.
    const nowhere = await Promise.all(
      Array.from({ length: 100 }, (_, count) => room.message(`flood ${count}`, { prev_events: [mallory.inventEventId(room.version)] })),
    )
    const calls = nowhere.map(({ pdu }) => mallory.sendLater(bob.server, [pdu]))
    const answers = await world.finish(Promise.all(calls), HOUR_MS)
    const statuses = new Map(
      Map.groupBy(answers, ({ status }) => status)
        .entries()
        .map(([status, those]) => [status, those.length]),
    )
    const { requestsPerOriginMax, requestsQueuedPerOriginMax } = limits.implementation
    const taken = requestsPerOriginMax + requestsQueuedPerOriginMax
    expect(statuses).toEqual(
      new Map([
        [200, taken],
        [429, nowhere.length - taken],
      ]),
    )
    await expectHonestAgree(setting)
  })

  test('of bytes are refused without being read whole', async () => {
    const setting = await hostileSetting()
    const { bob, mallory } = setting
    const body = `{"pdus":[],"edus":[],"x":"${'x'.repeat(limits.implementation.transactionBytesMax)}"}`
    const answer = await mallory.call(bob.server, 'PUT', '/v1/send/huge', body)
    expect([answer.status, answer.body['errcode']]).toEqual([413, 'M_TOO_LARGE'])
    await expectHonestAgree(setting)
  })
})

describe('a server that the room shuts out', () => {
  test('brings no events, no typing and no receipts into it', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, mallory, room, roomId } = setting
    const acl = { type: 'm.room.server_acl', stateKey: '', content: { allow: ['*'], deny: [mallory.server] } }
    await alice.rooms.send({ roomId, sender: alice.user, ...acl }, never)
    await world.run(2_000)
    const event = await room.message('shut out')
    const typing = { edu_type: 'm.typing', content: { room_id: roomId, user_id: mallory.user, typing: true } }
    const receipt = {
      edu_type: 'm.receipt',
      content: { [roomId]: { 'm.read': { [mallory.user]: { data: { ts: 1 }, event_ids: [event.eventId] } } } },
    }
    const answer = await mallory.send(bob.server, [event.pdu, { ...asJson(event), content: 7 }], [typing, receipt])
    expect(answer.body['pdus']).toEqual({ [event.eventId]: { error: expect.any(String) as string } })
    expect(bob.ephemeral).toEqual([])
    await expectHonestAgree(setting)
  })
})
