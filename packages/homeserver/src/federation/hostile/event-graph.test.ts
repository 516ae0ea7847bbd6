import { type EventId, eventIdOf, type Pdu } from '@kith/matrix-protocol'
import { HostileRoom } from '@kith/testkit/hostile/hostile-room'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import { describe, expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { expectHonestAgree, hostileSetting, isVisible, roomAt, setState } from './hostile-setting.test-support.ts'

const { implementation } = limits
const FETCHING = ['/get_missing_events/', '/event/', '/state_ids/', '/state/']

type Setting = Awaited<ReturnType<typeof hostileSetting>>

function fetchesBy({ requestsBy, bob }: Setting): number {
  return FETCHING.reduce((sum, part) => sum + requestsBy(bob.server, part), 0)
}

describe('forks', () => {
  test('from old points and two faces shown to two servers end as one room', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, mallory, room, roomId } = setting
    const root = room.newest
    await alice.send(roomId, 'alice goes on')
    await world.run(2_000)
    for (let count = 0; count < 10; count++) {
      const toAlice = await room.message(`face ${count}`, { prev: [root] })
      const toBob = await room.message(`other face ${count}`, { prev: [root] })
      await mallory.send(alice.server, [toAlice.pdu])
      await mallory.send(bob.server, [toBob.pdu])
      for (const event of [toAlice, toBob]) room.note(event)
    }
    mallory.answering(room.answersFrom(room.events))
    await expectHonestAgree(setting, Array.from({ length: 10 }, (_, count) => [`face ${count}`, `other face ${count}`]).flat())
  })

  test('of state, shown to one server each, are resolved alike', async () => {
    const setting = await hostileSetting()
    const { alice, bob, mallory, room, roomId } = setting
    const levels = { users: { [alice.user]: 100, [mallory.user]: 50 } }
    await setState(alice, roomId, 'm.room.power_levels', '', levels as never)
    await setting.world.run(2_000)
    for (const { body } of mallory.asked) if (Array.isArray(body['pdus'])) for (const pdu of body['pdus']) room.learn(pdu)
    const root = room.newest
    const topics = await Promise.all(
      ['for alice', 'for bob'].map((topic) => room.make({ type: 'm.room.topic', state_key: '', content: { topic }, prev: [root] })),
    )
    const [forAlice, forBob] = topics
    await mallory.send(alice.server, [forAlice?.pdu as Pdu])
    await mallory.send(bob.server, [forBob?.pdu as Pdu])
    await expectHonestAgree(setting)
    expect(alice.rooms.state(roomId)?.get('m.room.topic', '')?.eventId).toBeOneOf(topics.map(({ eventId }) => eventId))
  })

  test('that go around a ban end with the ban', async () => {
    const setting = await hostileSetting()
    const { world, alice, bob, mallory, room, roomId } = setting
    const before = room.newest
    await setState(alice, roomId, 'm.room.member', mallory.user, { membership: 'ban' })
    await world.run(2_000)
    const backdated = await room.message('before the ban', { prev: [before], origin_server_ts: 1 })
    const renamed = await room.make({
      type: 'm.room.member',
      state_key: mallory.user,
      content: { membership: 'join', displayname: 'never banned' },
      prev: [before],
      origin_server_ts: 1,
    })
    for (const server of [alice, bob]) {
      await mallory.send(server.server, [backdated.pdu, renamed.pdu])
      expect(await isVisible(server, roomId, backdated.eventId)).toBe(false)
      expect(server.rooms.state(roomId)?.membershipOf(mallory.user)).toBe('ban')
    }
    // Whoever was banned cannot even ask.
    expect((await mallory.call(bob.server, 'GET', `/v1/event/${encodeURIComponent(before.eventId)}`)).status).toBe(403)
    await expectHonestAgree(setting)
  })

  test('by the hundred leave the room with a bounded number of heads', async () => {
    const setting = await hostileSetting()
    const { bob, alice, carol, mallory, room, roomId } = setting
    const root = room.newest
    const visible: string[] = []
    for (let batch = 0; batch < 6; batch++) {
      const heads = await Promise.all(Array.from({ length: 50 }, (_, count) => room.message(`head ${batch} ${count}`, { prev: [root] })))
      visible.push(...heads.map((_, count) => `head ${batch} ${count}`))
      for (const { server } of [alice, bob, carol])
        await mallory.send(
          server,
          heads.map(({ pdu }) => pdu),
        )
    }
    expect(bob.rooms.extremities(roomId).length).toBeLessThanOrEqual(implementation.roomExtremitiesMax)
    await expectHonestAgree(setting, visible)
  })
})

describe('events that claim too much', () => {
  test('depth and time without end do not stop the room, nor put themselves above what comes', async () => {
    const setting = await hostileSetting()
    const { bob, alice, mallory, room } = setting
    const late = room.note(
      await room.message('from the end of time', { depth: Number.MAX_SAFE_INTEGER, origin_server_ts: Number.MAX_SAFE_INTEGER }),
    )
    for (const { server } of [alice, bob]) await mallory.send(server, [late.pdu])
    await expectHonestAgree(setting, ['from the end of time'])
    expect(await bob.messages(setting.roomId)).toContain('alice after the attack')
  })
})

describe('predecessors', () => {
  test('that do not exist cost a bounded number of requests, however many are named', async () => {
    const setting = await hostileSetting()
    const { world, bob, alice, mallory, room } = setting
    const before = fetchesBy(setting)
    const beforeOfAlice = alice.rooms.extremities(setting.roomId)
    for (let batch = 0; batch < 20; batch++) {
      const prev_events = Array.from({ length: 20 }, () => mallory.inventEventId(room.version))
      const events = await Promise.all(
        Array.from({ length: 10 }, (_, count) =>
          room.make({ type: 'm.room.message', content: { body: `${batch} ${count}` }, prev_events }),
        ),
      )
      await mallory.send(
        bob.server,
        events.map(({ pdu }) => pdu),
      )
    }
    const minutes = 30
    await world.run(minutes * 60_000)
    const returned = ((minutes + 10) * 60_000) / implementation.fetchRequestReturnMs
    expect(fetchesBy(setting) - before).toBeLessThan(implementation.fetchRequestsPerCauseMax + returned)
    expect(setting.rowsOf(bob, 'federation.staged')).toBeLessThanOrEqual(implementation.stagedEventsPerOriginMax)
    expect(alice.rooms.extremities(setting.roomId)).toEqual(beforeOfAlice)
    await expectHonestAgree(setting)
    await world.run(implementation.stagedLifetimeMs + 24 * 3_600_000)
    expect(setting.rowsOf(bob, 'federation.staged')).toBe(0)
  }, 60_000)

  test('named by many who are not in the room cost no more than those of one who is', async () => {
    const setting = await hostileSetting()
    const { world, bob, room, roomId } = setting
    const before = fetchesBy(setting)
    const begun = world.clock.now()
    for (let count = 0; count < 8; count++) {
      const stranger = await new HostileServer(world, `stranger${count}`).start()
      const { crypto } = stranger.identity
      const theirs = new HostileRoom({ roomId, version: room.version, user: stranger.user, crypto, clock: world.clock })
      const events = await Promise.all(
        Array.from({ length: 40 }, () =>
          theirs.message('from outside', { prev: [], auth: [], prev_events: [stranger.inventEventId(room.version)] }),
        ),
      )
      await stranger.send(
        bob.server,
        events.map(({ pdu }) => pdu),
      )
    }
    await world.run(60_000)
    expect(setting.rowsOf(bob, 'federation.staged')).toBe(implementation.stagedEventsPerOriginMax)
    const returned = (world.clock.now() - begun) / implementation.fetchRequestReturnMs
    expect(fetchesBy(setting) - before).toBeLessThan(implementation.fetchRequestsPerCauseMax + returned)
    // There is room left for what a member sends too early.
    await setting.mallory.send(bob.server, [
      (await room.message('early', { prev_events: [setting.mallory.inventEventId(room.version)] })).pdu,
    ])
    expect(setting.rowsOf(bob, 'federation.staged')).toBe(implementation.stagedEventsPerOriginMax + 1)
    await expectHonestAgree(setting)
  }, 60_000)

  test('that never end are fetched to a bound', async () => {
    const setting = await hostileSetting()
    const { world, bob, mallory, room } = setting
    const start = room.newest
    let served = 0
    // Made while they are asked for: each names another that only exists once somebody asks for it.
    const known = new Map<string, Pdu>()
    const makeEvent = async (): Promise<Pdu> => {
      const prev = mallory.inventEventId(room.version)
      const { eventId, pdu } = await room.make({
        type: 'm.room.message',
        content: { body: `endless ${served}` },
        prev_events: [prev],
        depth: 1_000_000 - served,
      })
      known.set(eventId, pdu)
      served++
      return pdu
    }
    mallory.answering(async ({ path }) => {
      if (path.startsWith('/v1/get_missing_events/'))
        return Response.json({ events: await Promise.all(Array.from({ length: 50 }, makeEvent)) })
      if (path.startsWith('/v1/event/')) return Response.json({ pdus: [await makeEvent()] })
      if (path.startsWith('/v1/state_ids/')) return Response.json({ pdu_ids: [...room.events.keys()], auth_chain_ids: [] })
      return undefined
    })
    const rows = setting.rowsOf(bob, 'rooms.events')
    await mallory.send(bob.server, [await makeEvent()])
    await world.run(10 * 60_000)
    // What was answered is nothing that was asked for, so the first answers were the last.
    expect(served).toBeLessThan(10 * 71)
    expect(setting.rowsOf(bob, 'rooms.events')).toBe(rows)
    expect(start.eventId).toBe(room.newest.eventId)
    await expectHonestAgree(setting)
  }, 60_000)

  test('in a chain without end, each rightly hashed, are fetched to a bound', async () => {
    const setting = await hostileSetting()
    const { world, bob, mallory, room } = setting
    const chain = await room.chain(3_500, [{ eventId: mallory.inventEventId(room.version), pdu: room.newest.pdu }])
    const events = new Map(chain.map(({ eventId, pdu }) => [eventId, pdu]))
    const answers = room.answersFrom(events)
    mallory.answering((asked) => (asked.path.startsWith('/v1/state') ? undefined : answers(asked)))
    const rows = setting.rowsOf(bob)
    const before = fetchesBy(setting)
    await mallory.send(bob.server, [chain.at(-1)?.pdu as Pdu])
    await world.run(3_600_000)
    expect(setting.rowsOf(bob) - rows).toBeLessThan(30)
    expect(fetchesBy(setting) - before).toBeLessThan(6 * (implementation.fetchRoundsInBackgroundMax + 50))
    expect(bob.rooms.extremities(setting.roomId).length).toBe(1)
    await expectHonestAgree(setting)
  }, 120_000)

  test('in a circle, which the first room versions allow, wait for nothing', async () => {
    const setting = await hostileSetting({ version: '1' })
    const { world, bob, mallory, room } = setting
    const id = (name: string) => `$${name}:${mallory.server}` as EventId
    const reference = (name: string) => [id(name), { sha256: 'AAAA' }] as const
    const circle = (names: readonly string[], field: 'prev_events' | 'auth_events') =>
      Promise.all(
        names.map((name, index) =>
          room.make({
            type: 'm.room.message',
            event_id: id(name),
            content: { body: name },
            [field]: [...(field === 'auth_events' ? room.newest.pdu.auth_events : []), reference(names[(index + 1) % names.length] ?? '')],
          }),
        ),
      )
    const before = fetchesBy(setting)
    for (const field of ['prev_events', 'auth_events'] as const) {
      const events = await circle([`${field}1`, `${field}2`, `${field}3`], field)
      mallory.answering(room.answersFrom(new Map(events.map(({ eventId, pdu }) => [eventId, pdu]))))
      await mallory.send(
        bob.server,
        events.map(({ pdu }) => pdu),
      )
      const self = await circle([`${field}self`], field)
      await mallory.send(
        bob.server,
        self.map(({ pdu }) => pdu),
      )
    }
    await world.run(10 * 60_000)
    expect(setting.rowsOf(bob, 'federation.staged')).toBe(0)
    expect(fetchesBy(setting) - before).toBeLessThan(50)
    await expectHonestAgree(setting)
  })
})

test('an auth chain of 10,000 events is refused or taken within its bounds, and the room stays right', async () => {
  const setting = await hostileSetting()
  const { world, alice, bob, mallory, room, roomId } = setting
  const member = room.stateEvent('m.room.member', mallory.user)
  const base = [room.stateEvent('m.room.create', ''), room.stateEvent('m.room.power_levels', ''), room.stateEvent('m.room.join_rules', '')]
  let last = member
  const chain = new Map<EventId, Pdu>()
  for (let count = 0; count < 10_000; count++) {
    last = await room.make({
      type: 'm.room.member',
      state_key: mallory.user,
      content: { membership: 'join', displayname: `${count}` },
      prev: [last],
      auth: [...base, last],
    })
    chain.set(last.eventId, last.pdu)
  }
  mallory.answering(room.answersFrom(new Map([...room.events, ...chain])))
  const before = fetchesBy(setting)
  const rows = setting.rowsOf(bob)
  const head = await room.message('upon ten thousand', { prev: [room.newest], auth: [base[0] ?? last, base[1] ?? last, last] })
  await mallory.send(bob.server, [head.pdu])
  await world.run(10 * 60_000)
  expect(fetchesBy(setting) - before).toBeLessThan(implementation.fetchRequestsPerCauseMax + 1_300)
  expect(setting.rowsOf(bob) - rows).toBeLessThan(12_000)
  await expectHonestAgree(
    setting,
    (await roomAt(world, alice, roomId)).messages.filter((body) => body === 'upon ten thousand'),
  )
  expect(eventIdOf(head.pdu, room.version)).toBe(head.eventId)
}, 240_000)
