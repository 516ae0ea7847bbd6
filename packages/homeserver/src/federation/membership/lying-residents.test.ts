import type { RoomId } from '@kith/matrix-protocol'
import { describe, expect, test } from 'vitest'
import { never } from '../simulated-server.test-support.ts'
import { forge, join, lie, makeRoom, membershipAt, threeServers } from './rooms.test-support.ts'

const MINUTE_MS = 60_000

type Body = Record<string, unknown>
interface Event {
  readonly type: string
  readonly content: Record<string, unknown>
}

async function roomOfAliceAndCarol(version?: string) {
  const setting = await threeServers()
  const roomId = await makeRoom(setting.alice, version === undefined ? {} : { version })
  await join(setting.world, setting.carol, roomId, [setting.alice])
  await setting.world.run(MINUTE_MS)
  return { ...setting, roomId }
}

function without(events: unknown, type: string): Event[] {
  return (events as Event[]).filter((event) => event.type !== type)
}

function template(body: Body, changes: object): Body {
  return { ...body, event: { ...(body['event'] as object), ...changes } }
}

const lies: readonly (readonly [what: string, path: string, lie: (body: Body, roomId: RoomId) => unknown])[] = [
  ['a template for another room', '/make_join/', (body) => template(body, { room_id: '!other:room.example' })],
  ['a template for another user', '/make_join/', (body) => template(body, { state_key: '@x:y.example' })],
  ['a template of another type', '/make_join/', (body) => template(body, { type: 'm.room.power_levels' })],
  ['a template of another membership', '/make_join/', (body) => template(body, { content: { membership: 'leave' } })],
  ['a template without a place in the graph', '/make_join/', (body) => template(body, { prev_events: 'x' })],
  ['a template with a thousand predecessors', '/make_join/', (body) => template(body, { prev_events: Array(1000).fill('$x:y.example') })],
  ['no template', '/make_join/', () => ({})],
  ['a room version that nobody knows', '/make_join/', (body) => ({ ...body, room_version: '99' })],
  ['another room version', '/make_join/', (body) => ({ ...body, room_version: '11' })],
  ['no room version', '/make_join/', ({ room_version: _version, ...body }) => body],
  ['no state', '/send_join/', ({ state: _state, ...body }) => body],
  ['state that is no list', '/send_join/', (body) => ({ ...body, state: { a: 1 } })],
  ['an empty state', '/send_join/', (body) => ({ ...body, state: [], auth_chain: [] })],
  ['a state without the create event', '/send_join/', (body) => ({ ...body, state: without(body['state'], 'm.room.create') })],
  ['a state without members', '/send_join/', (body) => ({ ...body, state: without(body['state'], 'm.room.member') })],
  [
    'a state without its auth chain',
    '/send_join/',
    (body) => ({
      ...body,
      state: without(body['state'], 'm.room.power_levels'),
      auth_chain: without(without(body['auth_chain'], 'm.room.power_levels'), 'm.room.join_rules'),
    }),
  ],
  ['a state in which nobody may join', '/send_join/', (body) => ({ ...body, state: without(body['state'], 'm.room.join_rules') })],
  [
    'forged events',
    '/send_join/',
    (body) => ({
      ...body,
      state: (body['state'] as Event[]).map((event) => (event.type === 'm.room.create' ? { ...event, origin_server_ts: 7 } : event)),
      auth_chain: [],
    }),
  ],
  ['nonsense', '/send_join/', () => ['x']],
]

describe('a server of the room answers a join with', () => {
  test.each(lies)('%s: nothing is believed, nothing is stored, and the next server is asked', async (_what, path, change) => {
    const { world, alice, bob, carol, roomId } = await roomOfAliceAndCarol()
    forge(alice, path, (body) => change(body, roomId))
    const refused = await world.finish(bob.federation.joinRoom({ roomId, userId: bob.user, via: [alice.server], content: {} }, never))
    expect(refused).toMatchObject({ kind: 'unreachable' })
    expect(bob.rooms.has(roomId)).toBe(false)
    expect(await join(world, bob, roomId, [alice, carol])).toEqual({ kind: 'joined', roomId })
    await bob.send(roomId, 'in after all')
    await world.runUntil(async () => (await carol.messages(roomId)).includes('in after all'), 60 * MINUTE_MS, 'bob is in the room')
  })

  test('the state of a room of another version, where the version is in no id', async () => {
    const { world, alice, bob, roomId } = await roomOfAliceAndCarol('10')
    forge(alice, '/make_join/', (body) => ({ ...body, room_version: '9' }))
    expect(await join(world, bob, roomId, [alice])).toMatchObject({ kind: 'unreachable' })
    expect(bob.rooms.has(roomId)).toBe(false)
  })
})

describe('joins survive', () => {
  test('the loss of the answer, after the room has taken the join in', async () => {
    const { world, alice, bob, roomId } = await roomOfAliceAndCarol()
    let lost = 0
    lie(alice, '/send_join/', async (honest) => {
      const response = await honest()
      if (lost++ > 0) return response
      throw new Error('the connection broke')
    })
    expect(await join(world, bob, roomId, [alice])).toEqual({ kind: 'joined', roomId })
    const joins = [...(await alice.rooms.timelineSince(roomId, 0, 1_000)).events].filter(({ pdu }) => pdu.sender === bob.user)
    expect([lost, joins.length]).toEqual([2, 1])
  })

  test('the death of the server that made the template', async () => {
    const { world, alice, bob, carol, roomId } = await roomOfAliceAndCarol()
    lie(alice, '/make_join/', async (honest) => {
      const response = await honest()
      queueMicrotask(() => alice.network.goDown())
      return response
    })
    expect(await join(world, bob, roomId, [alice, carol])).toEqual({ kind: 'joined', roomId })
  })

  test('each other: two users of a server come in at once', async () => {
    const { world, alice, bob, roomId } = await roomOfAliceAndCarol()
    const second = `@second:${bob.server}` as typeof bob.user
    const joinAs = (userId: typeof second) => bob.federation.joinRoom({ roomId, userId, via: [alice.server], content: {} }, never)
    const joined = await world.finish(Promise.all([joinAs(bob.user), joinAs(second), joinAs(bob.user)]))
    expect(joined.map(({ kind }) => kind)).toEqual(['joined', 'joined', 'joined'])
    await world.runUntil(() => membershipAt(alice, roomId, second) === 'join', MINUTE_MS, 'alice knows both')
    expect(membershipAt(alice, roomId, bob.user)).toBe('join')
  })

  test('a restart between the join at the other server and its storage here', async () => {
    const { world, alice, bob, roomId } = await roomOfAliceAndCarol()
    bob.storageFault = () => {
      throw new Error('the disk is gone')
    }
    await expect(join(world, bob, roomId, [alice])).rejects.toThrow('the disk is gone')
    bob.storageFault = undefined
    await bob.kill()
    await bob.start()
    expect(membershipAt(alice, roomId, bob.user)).toBe('join')
    expect(await join(world, bob, roomId, [alice])).toEqual({ kind: 'joined', roomId })
  })
})

describe('the answer to a refused join', () => {
  test.each([
    [
      { status: 400, errcode: 'M_INCOMPATIBLE_ROOM_VERSION', room_version: '99' },
      { kind: 'refused', status: 400, roomVersion: '99' },
    ],
    [
      { status: 403, errcode: 'M_FORBIDDEN' },
      { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN' },
    ],
    [{ status: 400, errcode: 'M_INVALID_PARAM' }, { kind: 'unreachable' }],
    [{ status: 500, errcode: 'M_UNKNOWN' }, { kind: 'unreachable' }],
  ])('%o says as much as the other server', async ({ status, ...body }, expected) => {
    const { world, alice, bob, roomId } = await roomOfAliceAndCarol()
    lie(alice, '/make_join/', async () => Response.json({ error: 'no', ...body }, { status }))
    expect(await join(world, bob, roomId, [alice])).toMatchObject(expected)
  })
})
