import { type EventId, makeUserId, type RoomId } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { timelineTables } from '../../timeline/index.ts'
import { never, type SimulatedServer } from '../simulated-server.test-support.ts'
import { change, crowdOf, forge, join, lie, makeRoom, threeServers } from './rooms.test-support.ts'

const MINUTE_MS = 60_000
const CROWD = limits.implementation.joinMembersWholeMax + 5

async function bigRoom() {
  const setting = await threeServers()
  const roomId = await makeRoom(setting.alice, { crowd: CROWD, state: { 'm.room.name': { name: 'Many' } } })
  await join(setting.world, setting.carol, roomId, [setting.alice])
  await setting.world.run(MINUTE_MS)
  return { ...setting, roomId }
}

function stateIds(server: SimulatedServer, roomId: RoomId): EventId[] {
  return [...(server.rooms.state(roomId)?.entries() ?? [])].map(({ eventId }) => eventId).toSorted()
}

function away(): Promise<Response> {
  return Promise.resolve(Response.json({ errcode: 'M_UNKNOWN', error: 'not now' }, { status: 500 }))
}

describe('a room of many is joined without most of its members', () => {
  test('works at once, and is whole a little later', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    for (const server of [alice, carol]) lie(server, '/state', away)
    expect(await join(world, bob, roomId, [alice])).toEqual({ kind: 'joined', roomId })
    expect(bob.rooms.isPartial(roomId)).toBe(true)
    const [unseen] = crowdOf(alice, 1)
    expect(bob.rooms.state(roomId)?.membershipOf(unseen ?? bob.user)).toBeUndefined()
    expect(bob.rooms.state(roomId)?.get('m.room.name', '')?.pdu.content).toEqual({ name: 'Many' })
    await bob.send(roomId, 'before I know you all')
    const heard = async () => (await carol.messages(roomId)).includes('before I know you all')
    await world.runUntil(heard, MINUTE_MS, 'even those that bob does not know yet hear it')
    for (const server of [alice, carol]) lie(server, 'nothing', (honest) => honest())
    const whole = bob.rooms.whenComplete(roomId, never)
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 30 * MINUTE_MS, 'the rest comes')
    await world.finish(whole)
    expect(stateIds(bob, roomId)).toEqual(stateIds(alice, roomId))
    await alice.send(roomId, 'welcome')
    await world.runUntil(async () => (await bob.messages(roomId)).length === 2, MINUTE_MS, 'they talk')
  })

  test('and is completed after a restart, by others than the server that let the user in', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    for (const server of [alice, carol]) lie(server, '/state', away)
    await join(world, bob, roomId, [alice])
    await bob.kill()
    await alice.kill()
    lie(carol, 'nothing', (honest) => honest())
    await bob.start()
    expect(bob.rooms.isPartial(roomId)).toBe(true)
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 60 * MINUTE_MS, 'carol brings the rest')
    expect(bob.rooms.state(roomId)?.size).toBe(carol.rooms.state(roomId)?.size)
  })

  test('by two users of a server, one while the other waits for the rest', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    for (const server of [alice, carol]) lie(server, '/state', away)
    const second = makeUserId('second', bob.server)
    await join(world, bob, roomId, [alice])
    const joined = await world.finish(bob.federation.joinRoom({ roomId, userId: second, via: [alice.server], content: {} }, never))
    expect([joined.kind, bob.rooms.isPartial(roomId)]).toEqual(['joined', true])
    for (const server of [alice, carol]) lie(server, 'nothing', (honest) => honest())
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 30 * MINUTE_MS, 'the rest comes')
    await world.runUntil(() => stateIds(bob, roomId).join() === stateIds(alice, roomId).join(), 30 * MINUTE_MS, 'all agree')
    expect(bob.rooms.state(roomId)?.membershipOf(second)).toBe('join')
  })

  test('while members come and go', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    for (const server of [alice, carol]) lie(server, '/state', away)
    await join(world, bob, roomId, [alice])
    const [first, second] = crowdOf(alice, 2)
    await change(alice, roomId, first ?? alice.user, 'leave')
    await change(alice, roomId, second ?? alice.user, 'ban', alice.user)
    await world.run(MINUTE_MS)
    for (const server of [alice, carol]) lie(server, 'nothing', (honest) => honest())
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 30 * MINUTE_MS, 'the rest comes')
    await world.runUntil(() => stateIds(bob, roomId).join() === stateIds(alice, roomId).join(), 30 * MINUTE_MS, 'all agree')
  })

  test('and a server that knows only some of it helps nobody in, and tells nobody a state', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    for (const server of [alice, carol]) lie(server, '/state', away)
    await join(world, bob, roomId, [alice])
    expect(bob.rooms.isPartial(roomId)).toBe(true)
    const path = `/_matrix/federation/v1/state_ids/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(bob.rooms.extremities(roomId)[0] ?? '')}`
    const answer = await world.finish(carol.network.request(bob.server, new Request(`https://${bob.server}${path}`), never))
    expect(answer.status).toBe(404)
  })

  test.each([
    ['leaves members out', (ids: string[]) => ids.slice(0, 30)],
    ['invents events', (ids: string[]) => [...ids, '$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']],
    ['answers nonsense', () => 'x'],
  ])('when the server %s, others are believed', async (_what, change_) => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    forge(alice, '/state_ids/', (body) => ({ ...body, pdu_ids: change_(body['pdu_ids'] as string[]) }))
    await join(world, bob, roomId, [alice])
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 60 * MINUTE_MS, 'somebody brings the rest')
    expect(carol.rooms.state(roomId)?.size).toBe(bob.rooms.state(roomId)?.size)
  })

  test('what waits for servers that it invented goes when the rest is there, also after a restart in between', async () => {
    const { world, alice, bob, carol, roomId } = await bigRoom()
    const invented = Array.from({ length: 5 }, () => world.createIdentity().server)
    lie(carol, '/state', away)
    lie(alice, '/', async (honest, request) => {
      if (request.url.includes('/state')) return away()
      const response = await honest()
      if (!request.url.includes('/send_join/')) return response
      const body = (await response.json()) as { readonly servers_in_room: readonly string[] }
      return Response.json({ ...body, servers_in_room: [...body.servers_in_room, ...invented] })
    })
    await join(world, bob, roomId, [alice])
    await bob.send(roomId, 'to whom it may concern')
    const rowsFor = async (server: string) => (await bob.storage.range(timelineTables.outbox, { prefix: [server], limit: 100 })).length
    for (const server of invented) expect(await rowsFor(server)).toBe(1)
    await bob.kill()
    carol.network.goDown()
    await bob.start()
    await bob.send(roomId, 'after the restart')
    for (const server of [alice, carol]) lie(server, 'nothing', (honest) => honest())
    await world.runUntil(() => !bob.rooms.isPartial(roomId), 60 * MINUTE_MS, 'the rest comes')
    await bob.send(roomId, 'to members')
    for (const server of invented) expect(await rowsFor(server)).toBe(0)
    expect(await rowsFor(carol.server)).toBe(3)
    expect([...(bob.rooms.state(roomId)?.joinedServers() ?? [])]).not.toContain(invented[0])
    carol.network.comeUp()
    await world.runUntil(async () => (await carol.messages(roomId)).includes('to members'), 60 * MINUTE_MS, 'all members hear')
  })

  test('a small room comes whole', async () => {
    const { world, alice, bob } = await threeServers()
    const roomId = await makeRoom(alice, { crowd: 3 })
    await join(world, bob, roomId, [alice])
    expect(bob.rooms.isPartial(roomId)).toBe(false)
  })

  test('an answer that omits members and names no servers is not believed', async () => {
    const { world, alice, bob, roomId } = await bigRoom()
    forge(alice, '/send_join/', (body) => ({ ...body, servers_in_room: [] }))
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'unreachable' })
    expect(bob.rooms.has(roomId)).toBe(false)
  })
})
