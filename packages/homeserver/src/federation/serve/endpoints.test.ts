import { eventIdOf, type JsonObject } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { ask, roomOfTwo, twoServersAndRelay } from '../settings.test-support.ts'
import { never } from '../simulated-server.test-support.ts'

describe('other servers are answered', () => {
  test('a transaction that comes again is answered as before and changes nothing', async () => {
    const { world, bob } = await roomOfTwo()
    const mallory = world.createIdentity()
    const edu = { edu_type: 'm.direct_to_device', content: { sender: `@m:${mallory.server}`, type: 't', message_id: '1', messages: {} } }
    const ack = { edu_type: 'im.kith.ack', content: { transaction_ids: [] } }
    const body = { origin: mallory.server, origin_server_ts: 1, pdus: [], edus: [ack] }
    const first = await ask(world, mallory, bob.server, 'PUT', 'v1/send/1', body)
    expect(first).toEqual({ status: 200, body: { pdus: {} } })
    await bob.kill()
    await bob.start()
    expect(await ask(world, mallory, bob.server, 'PUT', 'v1/send/1', { ...body, edus: [edu] })).toEqual(first)
    await world.run(1_000)
    expect(bob.inbox.size).toBe(0)
  })

  test('a transaction of events alone costs one commit', async () => {
    const { world, alice, bob, roomId } = await roomOfTwo()
    // With the first one goes what the servers have yet to tell each other.
    await alice.send(roomId, 'first')
    await world.run(5_000)
    let commits = 0
    bob.storageFault = () => void commits++
    await alice.send(roomId, 'second')
    await world.run(5_000)
    expect(await bob.messages(roomId)).toContain('second')
    expect(commits).toBe(1)
  })

  test.each([
    ['no JSON', '{', 400, 'M_NOT_JSON'],
    ['no object', '1', 400, 'M_BAD_JSON'],
    ['no PDUs', '{}', 400, 'M_BAD_JSON'],
    ['51 PDUs', JSON.stringify({ pdus: Array.from({ length: 51 }, () => ({})) }), 400, 'M_BAD_JSON'],
    ['101 EDUs', JSON.stringify({ pdus: [], edus: Array.from({ length: 101 }, () => ({})) }), 400, 'M_BAD_JSON'],
    ['the name of another', JSON.stringify({ origin: 'example.org', pdus: [] }), 403, 'M_FORBIDDEN'],
    ['9 MiB', JSON.stringify({ pdus: ['x'.repeat(9 * 1024 * 1024)] }), 413, 'M_TOO_LARGE'],
    [
      'PDUs of all kinds of nonsense',
      JSON.stringify({ pdus: [null, 1, 'x', [], {}, { room_id: 1 }, { room_id: '!x' }], edus: [null, 1, {}] }),
      200,
      undefined,
    ],
  ])('a transaction with %s', async (_what, body, status, errcode) => {
    const { world, bob } = await twoServersAndRelay()
    const answer = await ask(world, world.createIdentity(), bob.server, 'PUT', 'v1/send/1', body)
    expect([answer.status, answer.body['errcode']]).toEqual([status, errcode])
  })

  test('nothing about rooms in which they are not', async () => {
    const { world, alice, roomId } = await roomOfTwo()
    const eventId = await alice.send(roomId, 'private')
    const mallory = world.createIdentity()
    const room = encodeURIComponent(roomId)
    const event = encodeURIComponent(eventId)
    const gets = [
      `v1/event/${event}`,
      `v1/backfill/${room}?v=${event}&limit=10`,
      `v1/state/${room}?event_id=${event}`,
      `v1/state_ids/${room}?event_id=${event}`,
      `v1/event_auth/${room}/${event}`,
      `v1/make_join/${room}/@m:${mallory.server}?ver=12`,
    ]
    for (const path of gets) {
      const answer = await ask(world, mallory, alice.server, 'GET', path)
      expect([path, answer.status, answer.body['errcode']]).toEqual([path, 403, 'M_FORBIDDEN'])
    }
    const missing = { earliest_events: [], latest_events: [eventId] }
    expect((await ask(world, mallory, alice.server, 'POST', `v1/get_missing_events/${room}`, missing)).status).toBe(403)
  })

  test('about what both know: event, state, auth chain, history', async () => {
    const { world, alice, bob, roomId } = await roomOfTwo()
    const eventId = await alice.send(roomId, 'shared')
    const room = encodeURIComponent(roomId)
    const event = encodeURIComponent(eventId)
    await world.run(1_000)
    const get = async (path: string) => {
      const request = new Request(`https://${alice.server}/_matrix/federation/${path}`)
      return (await (await world.finish(bob.network.request(alice.server, request, never))).json()) as Record<string, JsonObject[]>
    }
    const version = alice.rooms.version(roomId)
    if (version === undefined) throw new Error('The room is not known')
    const pdus = (await get(`v1/event/${event}`))['pdus'] ?? []
    expect(pdus.map((pdu) => eventIdOf(pdu as never, version))).toEqual([eventId])
    const stateIds = await get(`v1/state_ids/${room}?event_id=${event}`)
    expect(stateIds['pdu_ids']).toHaveLength([...(alice.rooms.state(roomId)?.entries() ?? [])].length)
    expect((await get(`v1/state/${room}?event_id=${event}`))['pdus']).toHaveLength(stateIds['pdu_ids']?.length ?? 0)
    expect((await get(`v1/event_auth/${room}/${event}`))['auth_chain']?.map(({ type }) => type)).toContain('m.room.member')
    expect((await get(`v1/backfill/${room}?v=${event}&limit=3`))['pdus']).toHaveLength(3)
    expect((await get('v1/version'))['server']).toEqual({ name: 'Kith', version: 'test' })
  })

  test('with Matrix errors for what does not exist', async () => {
    const { world, bob } = await twoServersAndRelay()
    const mallory = world.createIdentity()
    const answers = [
      await ask(world, mallory, bob.server, 'GET', 'v1/nonsense'),
      await ask(world, mallory, bob.server, 'POST', 'v1/version', {}),
      await ask(world, mallory, bob.server, 'GET', 'v1/query/directory?room_alias=%23a%3Ab'),
      await ask(world, mallory, bob.server, 'GET', `v1/query/profile?user_id=@nobody:${bob.server}`),
      await ask(world, mallory, bob.server, 'GET', 'v1/event/nonsense'),
      await ask(world, mallory, bob.server, 'PUT', `v2/invite/!x:${bob.server}/$y`, { room_version: '99', event: {} }),
      await ask(world, mallory, bob.server, 'POST', 'v1/user/keys/query', { device_keys: [] }),
    ]
    expect(answers.map(({ status, body }) => [status, body['errcode']])).toEqual([
      [404, 'M_UNRECOGNIZED'],
      [405, 'M_UNRECOGNIZED'],
      [404, 'M_NOT_FOUND'],
      [404, 'M_NOT_FOUND'],
      [400, 'M_INVALID_PARAM'],
      [400, 'M_INCOMPATIBLE_ROOM_VERSION'],
      [400, 'M_BAD_JSON'],
    ])
  })
})
