import { protocolLimits, type RoomId, type UserId } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { MISSING_EDU_TYPE } from '../ingest/missing-by-mail.ts'
import { ask, outboxCount } from '../settings.test-support.ts'
import type { SimulatedServer } from '../simulated-server.test-support.ts'
import { federationTables } from '../tables.ts'
import { invite, join, leave, lie, makeRoom, membershipAt, setState, threeServers } from './rooms.test-support.ts'

const MINUTE_MS = 60_000

/**
 * Carol joins at Bob's while Alice, whom neither can reach, closes the room, or does something else that shuts Carol out: the two make a
 * room without Carol, and nobody tells her of it by an event of Alice's.
 */
async function displaced(shutOut: (alice: SimulatedServer, roomId: RoomId, carol: UserId) => Promise<unknown> = close) {
  const { world, alice, bob, carol } = await threeServers()
  const roomId = await makeRoom(alice, { state: { 'm.room.history_visibility': { history_visibility: 'shared' } } })
  await join(world, bob, roomId, [alice])
  await world.run(5_000)
  world.network.cut(alice.server, bob.server)
  world.network.cut(alice.server, carol.server)
  expect(await join(world, carol, roomId, [bob])).toEqual({ kind: 'joined', roomId })
  const before = await alice.send(roomId, 'before the room is closed')
  await shutOut(alice, roomId, carol.user)
  const after = await alice.send(roomId, 'among those inside')
  world.network.mendAll()
  await world.run(2 * 60 * MINUTE_MS)
  return { world, alice, bob, carol, roomId, before, after }
}

function close(alice: SimulatedServer, roomId: RoomId) {
  return setState(alice, roomId, 'm.room.join_rules', { join_rule: 'invite' })
}

function ban(alice: SimulatedServer, roomId: RoomId, carol: UserId) {
  return setState(alice, roomId, 'm.room.member', { membership: 'ban' }, carol)
}

describe('a join that lost its ground to what happened beside it', () => {
  test('ends at the server of whoever joined, too', async () => {
    const { alice, bob, carol, roomId } = await displaced()
    expect(membershipAt(bob, roomId, carol.user)).toBeUndefined()
    expect(membershipAt(alice, roomId, carol.user)).toBeUndefined()
    expect(membershipAt(carol, roomId, carol.user)).toBeUndefined()
    expect(carol.rooms.joinedRooms(carol.user)).toEqual([])
    for (const server of [alice, bob, carol]) expect(await server.undelivered()).toEqual(new Map())
  })

  test('ends at that server also by a ban of somebody of whom the banning one had not heard', async () => {
    const { alice, bob, carol, roomId } = await displaced(ban)
    for (const server of [alice, bob, carol]) {
      expect(membershipAt(server, roomId, carol.user)).toBe('ban')
      expect(await server.undelivered()).toEqual(new Map())
    }
  })

  test('ends at that server also by a ban of somebody who was invited beside it', async () => {
    const { alice, bob, carol, roomId } = await displaced(async (server, room, user) => {
      await setState(server, room, 'm.room.member', { membership: 'invite' }, user)
      await ban(server, room, user)
    })
    for (const server of [alice, bob, carol]) {
      expect(membershipAt(server, roomId, carol.user)).toBe('ban')
      expect(await server.undelivered()).toEqual(new Map())
      expect(await server.storage.range(federationTables.staged, { limit: 10 })).toEqual([])
    }
  })

  test('lets the server look as far as it must to see that, and no further, also after a restart of those who tell it', async () => {
    const { world, alice, bob, carol, roomId, before, after } = await displaced()
    await bob.kill()
    await bob.start()
    await world.run(MINUTE_MS)
    const closing = bob.rooms.state(roomId)?.get('m.room.join_rules', '')?.eventId ?? ''
    const get = (id: string) => ask(world, carol.identity, bob.server, 'GET', `v1/event/${encodeURIComponent(id)}`)
    expect(await get(closing)).toMatchObject({ status: 200 })
    expect(await get(before)).toMatchObject({ status: 200 })
    expect(await get(after)).toMatchObject({ status: 404 })
    const body = { earliest_events: [], latest_events: [after], limit: 20 }
    const answer = await ask(world, carol.identity, bob.server, 'POST', `v1/get_missing_events/${encodeURIComponent(roomId)}`, body)
    expect(JSON.stringify(answer)).not.toContain('among those inside')
    for (const path of ['state', 'state_ids']) {
      const stateAt = (id: string) =>
        ask(world, carol.identity, bob.server, 'GET', `v1/${path}/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(id)}`)
      expect(await stateAt(closing)).toMatchObject({ status: 200 })
      expect(await stateAt(after)).toMatchObject({ status: 404 })
    }
    const back = `v1/backfill/${encodeURIComponent(roomId)}?v=${encodeURIComponent(closing)}&limit=5`
    expect(await ask(world, carol.identity, bob.server, 'GET', back)).toMatchObject({ status: 403 })
    // Whoever never took the join in owes nothing.
    const path = `v1/event/${encodeURIComponent(closing)}`
    expect(await ask(world, carol.identity, alice.server, 'GET', path)).toMatchObject({ status: 403 })
    expect(await carol.messages(roomId)).not.toContain('among those inside')
  })
})

/** Carol declines an invite of Alice's, who takes that in and whose answer is lost; then Carol joins at Bob's, who has not heard of it. */
async function joinedBesideLeave({ depth, apart = false }: { readonly depth?: number; readonly apart?: boolean } = {}) {
  const { world, relay, alice, bob, carol } = await threeServers()
  const roomId = await makeRoom(alice, {
    joinRules: { join_rule: 'invite' },
    state: { 'm.room.history_visibility': { history_visibility: 'shared' } },
  })
  await invite(world, alice, roomId, bob)
  await join(world, bob, roomId, [])
  await invite(world, alice, roomId, carol)
  await world.run(5_000)
  for (const other of [bob, relay]) world.network.cut(alice.server, other.server)
  // What Carol cannot have from Bob.
  await alice.send(roomId, 'before the leave')
  lie(alice, '_leave/', async (honest, { url }) => {
    const answer = await honest()
    if (new URL(url).pathname.includes('send_leave')) return new Response(null, { status: 502 })
    const body = (await answer.json()) as { readonly event: { readonly depth: number } }
    return Response.json({ ...body, event: { ...body.event, depth: depth ?? body.event.depth } })
  })
  expect(await leave(world, carol, roomId)).toMatchObject({ kind: 'left-here' })
  alice.network.serve(alice.federation.serve)
  world.network.cut(alice.server, carol.server)
  expect(await join(world, carol, roomId, [bob])).toEqual({ kind: 'joined', roomId })
  // Some time for what the two tell each other when they meet.
  await world.run(5_000)
  if (apart) for (const other of [alice, bob]) world.network.hide(carol.server, other.server)
  world.network.mendAll()
  await world.run(2 * 60 * MINUTE_MS)
  return { world, alice, bob, carol, roomId }
}

describe('a join beside a leave of the same user that was taken by a server whose answer was lost', () => {
  test.each([
    ['', false],
    [' by way of a relay', true],
  ])('ends at their server, too%s', async (_, apart) => {
    const { alice, bob, carol, roomId } = await joinedBesideLeave({ apart })
    for (const server of [alice, bob, carol]) {
      expect(membershipAt(server, roomId, carol.user)).toBe('leave')
      expect(await server.undelivered()).toEqual(new Map())
      expect(await server.storage.range(federationTables.staged, { limit: 10 })).toEqual([])
    }
  })

  test('lets their server see nothing that came later, whatever depth it gave the leave', async () => {
    const { world, bob, carol, roomId } = await joinedBesideLeave({ depth: protocolLimits.specification.depthMax })
    const after = await bob.send(roomId, 'among those inside')
    expect(await ask(world, carol.identity, bob.server, 'GET', `v1/event/${encodeURIComponent(after)}`)).toMatchObject({ status: 404 })
    const question = { edu_type: MISSING_EDU_TYPE, content: { room_id: roomId, earliest: [], latest: [], wanted: [after] } }
    const body = { origin: carol.server, origin_server_ts: 1, pdus: [], edus: [question] }
    expect(await ask(world, carol.identity, bob.server, 'PUT', 'v1/send/question', body)).toMatchObject({ status: 200 })
    expect(await outboxCount(bob)).toBe(0)
  })
})
