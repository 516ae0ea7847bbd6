import { type RoomId, serverNameOfRoomId } from '@kith/matrix-protocol'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import type { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import type { Json, Reply, TestNode, TestUser } from './test-node.test-support.ts'
import { TwoNodes } from './two-nodes.test-support.ts'

let nodes: TwoNodes
let world: SimulatedWorld
let home: TestNode
let away: TestNode
let alice: TestUser
let bob: TestUser

beforeEach(async () => {
  nodes = await TwoNodes.start(3)
  ;({ world, home, away, alice, bob } = nodes)
})

afterEach(async () => nodes[Symbol.asyncDispose]())

const part = encodeURIComponent
const v1 = '/_matrix/client/v1'

async function call(user: TestUser, method: string, path: string, body?: unknown): Promise<Reply> {
  return world.finish(user.call(method, path, body))
}

async function ok(user: TestUser, method: string, path: string, body?: unknown): Promise<Json> {
  const reply = await call(user, method, path, body)
  if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
  return reply.body
}

const publicRoom = (name: string, more: object = {}) => alice.createRoom({ preset: 'public_chat', visibility: 'public', name, ...more })

describe('published rooms', () => {
  test('are found here and from elsewhere, by page, by word and by kind', async () => {
    const ids = new Map<string, string>()
    for (const name of ['Ants', 'Bees', 'Cats', 'Dogs', 'Emus']) ids.set(name, await publicRoom(name, { topic: `all about ${name}` }))
    ids.set('Zoo', await publicRoom('Zoo', { creation_content: { type: 'm.space' } }))
    await alice.createRoom({ preset: 'public_chat', name: 'Unlisted' })
    await ok(bob, 'POST', `/join/${part(ids.get('Dogs') ?? '')}?server_name=${home.identity.server}`)
    const server = `server=${home.identity.server}`
    for (const [user, suffix] of [
      [alice, ''],
      [bob, server],
    ] as const) {
      const pages: string[][] = []
      let since: string | undefined
      do {
        const query = new URLSearchParams({ limit: '2', ...(since === undefined ? {} : { since }) })
        const page = await ok(user, 'GET', `/publicRooms?${suffix}&${query}`)
        expect(page.total_room_count_estimate).toBe(6)
        expect('prev_batch' in page).toBe(pages.length > 0)
        pages.push(page.chunk.map(({ name }: Json) => name))
        since = page.next_batch
      } while (since !== undefined)
      expect(pages.map((page) => page.length)).toEqual([2, 2, 2])
      expect(pages[0]?.[0]).toBe('Dogs')
      expect(pages.flat().toSorted()).toEqual([...ids.keys()].toSorted())
      const search = async (filter: Json) =>
        (await ok(user, 'POST', `/publicRooms?${suffix}`, { filter })).chunk.map(({ name }: Json) => name)
      expect(await search({ generic_search_term: 'ABOUT b' })).toEqual(['Bees'])
      expect(await search({ room_types: ['m.space'] })).toEqual(['Zoo'])
      expect(await search({ room_types: [null], generic_search_term: 'Zoo' })).toEqual([])
      expect((await call(user, 'GET', `/publicRooms?${suffix}&since=nonsense`)).body.errcode).toBe('M_INVALID_PARAM')
    }
  })

  test('are published and hidden by whoever may name the room, and the choice outlives a restart', async () => {
    const roomId = await publicRoom('Square')
    const path = `/directory/list/room/${part(roomId)}`
    const carol = await home.register('carol')
    await carol.ok('POST', `/join/${part(roomId)}`)
    expect((await carol.call('PUT', path, { visibility: 'private' })).body.errcode).toBe('M_FORBIDDEN')
    await home.restart()
    expect((await home.call('GET', path)).body).toEqual({ visibility: 'public' })
    await alice.ok('PUT', path, { visibility: 'private' })
    expect((await home.call('GET', path)).body).toEqual({ visibility: 'private' })
    expect((await home.call('GET', '/publicRooms')).body.chunk).toEqual([])
    expect((await home.call('GET', `/directory/list/room/${part('!unknown:example.org')}`)).status).toBe(404)
  })
})

test('whoever has no account makes this server ask nobody', async () => {
  const mallory = await new HostileServer(world, 'mallory').start()
  const user = `@x:${mallory.server}`
  const paths = [
    `/publicRooms?server=${mallory.server}`,
    `/directory/room/${part(`#x:${mallory.server}`)}`,
    `/profile/${part(user)}`,
    `/profile/${part(user)}/displayname`,
  ]
  for (const path of paths) {
    const answer = await world.finish(home.call('GET', path))
    expect([answer.status, answer.body.errcode]).toEqual([401, 'M_MISSING_TOKEN'])
  }
  expect(mallory.asked).toEqual([])
  for (const path of paths) await call(alice, 'GET', path)
  expect(mallory.asked.map(({ path }) => path)).toEqual([
    '/v1/publicRooms',
    '/v1/query/directory',
    '/v1/query/profile',
    '/v1/query/profile',
  ])
  expect((await home.call('GET', `/profile/${part(alice.userId)}`)).status).toBe(200)
  expect((await home.call('GET', '/publicRooms')).status).toBe(200)
})

describe('aliases', () => {
  test('lead to the room from everywhere, and a canonical one must', async () => {
    const roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'here' })
    const [right, wrong] = [`#here:${home.identity.server}`, `#there:${home.identity.server}`]
    expect((await ok(bob, 'GET', `/directory/room/${part(right)}`)).room_id).toBe(roomId)
    expect((await call(bob, 'GET', `/directory/room/${part(wrong)}`)).status).toBe(404)
    expect((await alice.call('POST', '/createRoom', { room_alias_name: 'here' })).body.errcode).toBe('M_ROOM_IN_USE')

    const canonical = `/rooms/${part(roomId)}/state/m.room.canonical_alias`
    const errcode = async (content: Json) => (await call(alice, 'PUT', canonical, content)).body.errcode
    expect(await errcode({ alias: wrong })).toBe('M_BAD_ALIAS')
    expect(await errcode({ alias: right, alt_aliases: [wrong] })).toBe('M_BAD_ALIAS')
    expect(await errcode({ alias: 'no alias' })).toBe('M_INVALID_PARAM')
    expect(await errcode({ alt_aliases: [1] })).toBe('M_INVALID_PARAM')
    expect(await errcode({ alias: right })).toBeUndefined()
    // Bob's server has an alias for the same room, which alice's server asks for.
    await ok(bob, 'POST', `/join/${part(right)}`)
    const other = `#theirs:${away.identity.server}`
    await ok(bob, 'PUT', `/directory/room/${part(other)}`, { room_id: roomId })
    expect(await errcode({ alias: right, alt_aliases: [other] })).toBeUndefined()
    // What stands there already is not asked for again, even when nobody answers.
    await away[Symbol.asyncDispose]()
    expect(await errcode({ alias: '', alt_aliases: [other] })).toBeUndefined()
    await alice.ok('DELETE', `/directory/room/${part(right)}`)
    expect((await alice.call('GET', `/directory/room/${part(right)}`)).status).toBe(404)
  })
})

describe('spaces', () => {
  const addChild = async (parent: string, child: string, content: object = {}) => {
    // Children without an order come in that of their times.
    await world.run(1)
    await alice.ok('PUT', `/rooms/${part(parent)}/state/m.space.child/${part(child)}`, { via: [home.identity.server], ...content })
  }
  const space = (name: string, more: object = {}) =>
    alice.createRoom({ preset: 'public_chat', name, room_version: '11', creation_content: { type: 'm.space' }, ...more })
  const walk = async (user: TestUser, roomId: string, query = '') => ok(user, 'GET', `${v1}/rooms/${part(roomId)}/hierarchy?${query}`)
  const names = (page: Json): string[] => page.rooms.map(({ name }: Json) => name)

  test('are walked through by pages, in order, as deep and as suggested as asked for', async () => {
    const [top, inner] = [await space('Top'), await space('Inner')]
    const [first, second, deep] = [await publicRoom('First'), await publicRoom('Second'), await publicRoom('Deep')]
    await addChild(top, second, { order: 'b' })
    await addChild(top, first, { order: 'a', suggested: true })
    await addChild(top, inner)
    await addChild(inner, deep)
    await addChild(inner, top)
    await addChild(top, '!nowhere:example.org', { via: [] })
    for (const user of [alice, bob]) {
      expect(names(await walk(user, top))).toEqual(['Top', 'First', 'Second', 'Inner', 'Deep'])
      expect(names(await walk(user, top, 'max_depth=1'))).toEqual(['Top', 'First', 'Second', 'Inner'])
      expect(names(await walk(user, top, 'max_depth=0'))).toEqual(['Top'])
      expect(names(await walk(user, top, 'suggested_only=true'))).toEqual(['Top', 'First'])
      const one = await walk(user, top, 'limit=2')
      const two = await walk(user, top, `limit=2&from=${one.next_batch}`)
      const three = await walk(user, top, `limit=2&from=${two.next_batch}`)
      expect([one, two, three].map(names)).toEqual([['Top', 'First'], ['Second', 'Inner'], ['Deep']])
      expect(three.next_batch).toBeUndefined()
      expect(names(await walk(user, top, `limit=2&from=${one.next_batch}`))).toEqual(['Second', 'Inner'])
      const bad = async (query: string) => (await call(user, 'GET', `${v1}/rooms/${part(top)}/hierarchy?${query}`)).body.errcode
      expect(await bad(`from=${one.next_batch}&max_depth=1`)).toBe('M_INVALID_PARAM')
      expect(await bad(`from=${one.next_batch}&suggested_only=true`)).toBe('M_INVALID_PARAM')
      expect(await bad('from=nonsense')).toBe('M_INVALID_PARAM')
      expect(await bad('limit=0')).toBe('M_INVALID_PARAM')
    }
  })

  const strangeSpace = (roomId: string, children: readonly string[], more: object = {}) => ({
    room: {
      ...{ room_id: roomId, num_joined_members: 1, world_readable: false, guest_can_join: false, name: 'Strange' },
      ...{ join_rule: 'public', room_type: 'm.space' },
      children_state: children.map((child) => ({
        ...{ type: 'm.space.child', state_key: child, content: { via: [serverNameOfRoomId(roomId as RoomId)] } },
        ...{ sender: `@x:${home.identity.server}`, origin_server_ts: 1 },
      })),
    },
    children: [],
    inaccessible_children: [],
    ...more,
  })

  test('are not rewritten by whoever keeps a space inside of them', async () => {
    const mallory = await new HostileServer(world, 'mallory').start()
    const strange = `!strange:${mallory.server}`
    const [top, first, second] = [await space('Top'), await publicRoom('First'), await publicRoom('Second')]
    await addChild(top, strange, { order: 'a', via: [mallory.server] })
    await addChild(top, first, { order: 'b' })
    await addChild(top, second, { order: 'c' })
    const lie = { room_id: first, num_joined_members: 9, world_readable: true, guest_can_join: false, name: 'Not the first' }
    mallory.answering(({ path }) =>
      path.startsWith('/v1/hierarchy/')
        ? Response.json(strangeSpace(strange, [first, second], { children: [lie], inaccessible_children: [second] }))
        : undefined,
    )
    expect(names(await walk(bob, top))).toEqual(['Top', 'Strange', 'First', 'Second'])
  })

  test('of a server that does not answer come in pages all the same', async () => {
    const mallory = await new HostileServer(world, 'mallory').start()
    const strange = `!strange:${mallory.server}`
    const [top, last] = [await space('Top'), await publicRoom('Last')]
    await addChild(top, strange, { order: 'a', via: [mallory.server] })
    await addChild(top, last, { order: 'b' })
    const silent = Array.from({ length: 30 }, (_, number) => `!silent${number}:${mallory.server}`)
    mallory.answering(({ path }) =>
      path === `/v1/hierarchy/${strange}` ? Response.json(strangeSpace(strange, silent)) : new Promise(() => undefined),
    )
    const { spacePagePatienceMs, interactiveTimeoutMs } = limits.implementation
    const found: string[] = []
    let from: string | undefined
    do {
      const begun = world.clock.now()
      const page = await walk(bob, top, from === undefined ? '' : `from=${from}`)
      expect(world.clock.now() - begun).toBeLessThan(spacePagePatienceMs + 2 * interactiveTimeoutMs)
      found.push(...names(page))
      from = page.next_batch
    } while (from !== undefined)
    expect(found).toEqual(['Top', 'Strange', 'Last'])
  })

  test('show to each what they may enter', async () => {
    const top = await space('Top')
    const secret = await alice.createRoom({ preset: 'private_chat', name: 'Secret' })
    const members = await alice.createRoom({
      preset: 'private_chat',
      name: 'For members',
      initial_state: [
        { type: 'm.room.join_rules', content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: top }] } },
      ],
    })
    await addChild(top, secret)
    await addChild(top, members)
    expect(names(await walk(alice, top))).toEqual(['Top', 'Secret', 'For members'])
    expect(names(await walk(bob, top))).toEqual(['Top'])
    expect((await call(bob, 'GET', `${v1}/rooms/${part(secret)}/hierarchy`)).body.errcode).toBe('M_FORBIDDEN')
    await ok(bob, 'POST', `/join/${part(top)}?server_name=${home.identity.server}`)
    // What the other server said is remembered for a while.
    await world.run(limits.implementation.spaceAnswerCacheMs)
    expect(names(await walk(bob, top))).toEqual(['Top', 'For members'])
  })

  test('a room is summed up for whoever may enter it', async () => {
    const roomId = await publicRoom('Square', { topic: 'Everything', room_alias_name: 'square' })
    const path = `${v1}/room_summary/${part(`#square:${home.identity.server}`)}`
    const summary = {
      room_id: roomId,
      name: 'Square',
      topic: 'Everything',
      join_rule: 'public',
      num_joined_members: 1,
      world_readable: false,
    }
    expect(await ok(alice, 'GET', path)).toMatchObject({ ...summary, membership: 'join' })
    expect(await ok(bob, 'GET', path)).toMatchObject(summary)
    const secret = await alice.createRoom({ preset: 'private_chat' })
    const hidden = `${v1}/room_summary/${part(secret)}?via=${home.identity.server}`
    expect((await call(bob, 'GET', hidden)).status).toBe(404)
  })
})

describe('times', () => {
  test('an event of a time is found, also where history is missing here', async () => {
    const roomId = await publicRoom('Diary', { room_version: '11' })
    const sent: string[] = []
    for (let day = 0; day < 40; day++) {
      await world.run(1_000)
      sent.push(await alice.say(roomId, `day ${day}`))
    }
    const start = world.clock.now() - 39_000
    await ok(bob, 'POST', `/join/${part(roomId)}?server_name=${home.identity.server}`)
    const find = async (user: TestUser, time: number, direction: string) =>
      call(user, 'GET', `${v1}/rooms/${part(roomId)}/timestamp_to_event?ts=${time}&dir=${direction}`)
    for (const user of [alice, bob]) {
      expect((await find(user, start + 9_500, 'f')).body).toEqual({ event_id: sent[10], origin_server_ts: start + 10_000 })
      expect((await find(user, start + 9_500, 'b')).body).toEqual({ event_id: sent[9], origin_server_ts: start + 9_000 })
      expect((await find(user, 1, 'b')).status).toBe(404)
      expect((await find(user, world.clock.now() + 1, 'f')).status).toBe(404)
      expect((await find(user, -5, 'x')).body.errcode).toBe('M_INVALID_PARAM')
    }
    const context = await ok(bob, 'GET', `/rooms/${part(roomId)}/context/${part(sent[10] ?? '')}?limit=2`)
    expect(context.events_before.map(({ event_id: id }: Json) => id)).toEqual([sent[9]])
  })
})

describe('profiles', () => {
  test('are told whole, and field by field, to users of other servers', async () => {
    await alice.ok('PUT', `/profile/${part(alice.userId)}/displayname`, { displayname: 'Alice' })
    await alice.ok('PUT', `/profile/${part(alice.userId)}/m.tz`, { 'm.tz': 'Europe/Lisbon' })
    expect(await ok(bob, 'GET', `/profile/${part(alice.userId)}`)).toEqual({ displayname: 'Alice', 'm.tz': 'Europe/Lisbon' })
    expect(await ok(bob, 'GET', `/profile/${part(alice.userId)}/m.tz`)).toEqual({ 'm.tz': 'Europe/Lisbon' })
    expect((await call(bob, 'GET', `/profile/${part(alice.userId)}/avatar_url`)).status).toBe(404)
  })
})

describe('openid', () => {
  test('a token says whose it is, to other servers, for an hour, and nothing else', async () => {
    const request = `/user/${part(alice.userId)}/openid/request_token`
    const answer = await alice.ok('POST', request, {})
    expect(answer).toMatchObject({ token_type: 'Bearer', matrix_server_name: home.identity.server, expires_in: 3_600 })
    const node = world.network.node(world.createIdentity().server)
    await node.start(new AbortController().signal)
    const exchange = async (token: string) => {
      const url = `https://${home.identity.server}/_matrix/federation/v1/openid/userinfo?access_token=${part(token)}`
      const response = await world.finish(node.request(home.identity.server, new Request(url), new AbortController().signal))
      return [response.status, await response.json()]
    }
    expect(await exchange(answer.access_token)).toEqual([200, { sub: alice.userId }])
    await home.restart()
    expect(await exchange(answer.access_token)).toEqual([200, { sub: alice.userId }])
    for (const token of ['', 'nonsense', `${answer.access_token}x`, answer.access_token.slice(0, -8), alice.token]) {
      expect(await exchange(token)).toMatchObject([401, { errcode: 'M_UNKNOWN_TOKEN' }])
    }
    expect((await home.call('GET', '/account/whoami', undefined, answer.access_token)).status).toBe(401)
    expect((await bob.call('POST', request, {})).status).toBe(403)
    await world.run(3_600_000)
    expect(await exchange(answer.access_token)).toMatchObject([401, { errcode: 'M_UNKNOWN_TOKEN' }])
  })
})
