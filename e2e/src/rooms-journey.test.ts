import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '@kith/testkit/world/json'
import type { ApiAccount } from './api-account.ts'
import {
  act,
  createRoom,
  expectSameHistory,
  expectSameState,
  membership,
  mustJoin,
  pagedEvents,
  roomPath,
  say,
  setPower,
  setState,
  soon,
  startThreeServers,
  stateContent,
  textsOf,
  type ThreeServers,
} from './three-servers.ts'

let world: ThreeServers

beforeAll(async () => {
  world = await startThreeServers()
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe.each(['1', '6', '9', '10', '11', '12'])('a room of version %s', (version) => {
  test('is lived in by three servers', async () => {
    const { alice, bob, carol, dave } = world
    const roomId = await createRoom(alice, { preset: 'public_chat', room_version: version, name: `version ${version}` })
    const all = [alice, bob, carol]
    await mustJoin(bob, roomId, alice)
    await mustJoin(carol, roomId, bob)
    await mustJoin(dave, roomId)
    await expectSameState(roomId, all)
    const texts = await Promise.all(
      all.map(async (account) => (await say(account, roomId, `by ${account.userId}`), `by ${account.userId}`)),
    )
    await soon('all read all', async () => {
      for (const account of all) expect((await textsOf(account, roomId)).toSorted()).toEqual(texts.toSorted())
      return true
    })

    const unwanted = await say(carol, roomId, 'to be redacted')
    await setPower(alice, roomId, { [bob.userId]: 60 })
    await soon('bob knows his power', async () => (await levelsSeenBy(bob, roomId)).users[bob.userId] === 60)
    await soon('bob has the message', async () => (await eventSeenBy(bob, roomId, unwanted)) !== undefined)
    await bob.ok('PUT', roomPath(roomId, `redact/${encodeURIComponent(unwanted)}/${version}`), { reason: 'a test' })
    for (const account of all)
      await soon('the redaction is seen', async () => {
        const event = await eventSeenBy(account, roomId, unwanted)
        return event !== undefined && Object.keys(event.content).length === 0 && event.unsigned?.redacted_because !== undefined
      })
    await setState(bob, roomId, 'm.room.topic', { topic: 'chosen by bob' })

    await act(bob, roomId, 'kick', dave)
    await soon('dave is out', async () => (await membership(alice, roomId, dave)) === 'leave')
    await mustJoin(dave, roomId)
    await act(bob, roomId, 'kick', carol)
    await soon('carol is out', async () => !(await carol.joinedRooms()).includes(roomId))
    await mustJoin(carol, roomId, alice)
    await expectSameState(roomId, all)
    await act(alice, roomId, 'ban', carol)
    await soon('carol is banned', async () => !(await carol.joinedRooms()).includes(roomId))
    expect((await carol.join(roomId, alice.serverName)).status).toBe(403)
    expect((await carol.join(roomId, bob.serverName)).status).toBe(403)
    await act(alice, roomId, 'unban', carol)
    await mustJoin(carol, roomId, alice)
    await carol.ok('POST', roomPath(roomId, 'leave'), {})
    await soon('carol has left', async () => (await membership(alice, roomId, carol)) === 'leave')
    await mustJoin(carol, roomId, alice, bob)
    await expectSameState(roomId, all)
    await say(carol, roomId, 'here again')
    await soon('carol is heard', async () => (await textsOf(bob, roomId)).includes('here again'))
    await expectSameHistory(roomId, all)
  })
})

async function levelsSeenBy(account: ApiAccount, roomId: string): Promise<Json> {
  return stateContent(account, roomId, 'm.room.power_levels')
}

async function eventSeenBy(account: ApiAccount, roomId: string, eventId: string): Promise<Json> {
  const { status, body } = await account.call('GET', roomPath(roomId, `event/${encodeURIComponent(eventId)}`))
  return status === 200 ? body : undefined
}

describe('who may come in', () => {
  test('a room for invited people refuses others and takes the invited', async () => {
    const { alice, bob, carol } = world
    const roomId = await createRoom(alice, { preset: 'private_chat' })
    expect((await bob.join(roomId, alice.serverName)).status).toBe(403)
    await act(alice, roomId, 'invite', bob)
    await soon('the invite arrives', async () => (await bob.ok('GET', '/sync')).rooms?.invite?.[roomId] !== undefined)
    await mustJoin(bob, roomId)
    await act(bob, roomId, 'invite', carol)
    await soon('the invite arrives', async () => (await carol.ok('GET', '/sync')).rooms?.invite?.[roomId] !== undefined)
    await carol.ok('POST', roomPath(roomId, 'leave'), {})
    await soon('the invite is declined', async () => (await membership(alice, roomId, carol)) === 'leave')
    expect((await carol.join(roomId, alice.serverName)).status).toBe(403)
    await expectSameState(roomId, [alice, bob])
  })

  test.each(['7', '10', '12'])('a knock at a room of version %s is accepted, refused or taken back', async (version) => {
    const { alice, bob, carol } = world
    const knockRule = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }
    const roomId = await createRoom(alice, { preset: 'private_chat', name: 'a door', room_version: version, initial_state: [knockRule] })
    expect((await carol.join(roomId, alice.serverName)).status).toBe(403)
    const knock = async (account: ApiAccount): Promise<void> => {
      await account.ok('POST', `/knock/${encodeURIComponent(roomId)}?via=${alice.serverName}`, { reason: 'hello' })
      expect(await membership(alice, roomId, account)).toBe('knock')
      const knocked = (await account.ok('GET', '/sync')).rooms.knock[roomId].knock_state.events
      expect(knocked.some((event: Json) => event.type === 'm.room.name' && event.content.name === 'a door')).toBe(true)
    }
    await knock(bob)
    await act(alice, roomId, 'invite', bob)
    await soon('the knock is answered', async () => (await bob.ok('GET', '/sync')).rooms?.invite?.[roomId] !== undefined)
    await mustJoin(bob, roomId)

    await knock(carol)
    await soon('bob hears of the knock', async () => (await membership(bob, roomId, carol)) === 'knock')
    await act(alice, roomId, 'kick', carol)
    await soon('carol hears of the refusal', async () => (await carol.ok('GET', '/sync')).rooms?.knock?.[roomId] === undefined)

    await knock(carol)
    await carol.ok('POST', roomPath(roomId, 'leave'), {})
    for (const account of [alice, bob])
      await soon('the knock is taken back', async () => (await membership(account, roomId, carol)) === 'leave')
    await expectSameState(roomId, [alice, bob])
  })

  test.each(['restricted', 'knock_restricted'])('a room that is %s to another, which only one of its servers knows', async (joinRule) => {
    const { alice, bob, carol, dave } = world
    const club = await createRoom(bob, { preset: 'private_chat', invite: [carol.userId] })
    await mustJoin(carol, club, bob)
    const rule = { join_rule: joinRule, allow: [{ type: 'm.room_membership', room_id: club }] }
    const roomId = await createRoom(alice, {
      preset: 'private_chat',
      room_version: '10',
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: rule }],
      invite: [bob.userId],
    })
    expect((await carol.join(roomId, alice.serverName)).status, 'nobody there can judge it').not.toBe(200)
    await mustJoin(bob, roomId, alice)
    await setPower(alice, roomId, { [bob.userId]: 50 })
    await soon('bob may invite', async () => (await levelsSeenBy(bob, roomId)).users[bob.userId] === 50)
    await mustJoin(carol, roomId, alice, bob)
    // It is bob's server that let carol in and tells alice's.
    await soon('alice hears of the join', async () => (await membership(alice, roomId, carol)) === 'join')
    const content = await stateContent(alice, roomId, 'm.room.member', carol.userId)
    expect(content).toMatchObject({ membership: 'join', join_authorised_via_users_server: bob.userId })
    expect((await dave.call('POST', roomPath(roomId, 'join'), {})).status, 'dave is not in the club').toBe(403)
    expect((await dave.call('POST', `/knock/${encodeURIComponent(roomId)}`, {})).status).toBe(joinRule === 'restricted' ? 403 : 200)
    await expectSameState(roomId, [alice, bob, carol])
  })
})

describe('finding rooms', () => {
  test('by an alias of another server, in its list of rooms, and through spaces of several servers', async () => {
    const { alice, bob, carol } = world
    const open = (creator: ApiAccount, request: object) => createRoom(creator, { preset: 'public_chat', ...request })
    const nearby = await open(alice, { name: 'nearby', room_alias_name: 'nearby', visibility: 'public' })
    const distant = await open(bob, { name: 'distant' })
    const inner = await open(carol, { name: 'inner', creation_content: { type: 'm.space' } })
    const innermost = await open(carol, { name: 'innermost' })
    const secret = await createRoom(bob, { preset: 'private_chat', name: 'secret' })
    const space = await open(alice, { name: 'space', creation_content: { type: 'm.space' }, room_alias_name: 'space' })
    const contain = (account: ApiAccount, parent: string, child: string, via: ApiAccount) =>
      setState(account, parent, 'm.space.child', { via: [via.serverName] }, child)
    await contain(alice, space, nearby, alice)
    await contain(alice, space, distant, bob)
    await contain(alice, space, secret, bob)
    await contain(alice, space, inner, carol)
    await contain(carol, inner, innermost, carol)

    const listed: Json = await carol.ok('GET', `/publicRooms?server=${alice.serverName}`)
    expect(listed.chunk.map((room: Json) => room.room_id)).toContain(nearby)
    const searched: Json = await carol.ok('POST', `/publicRooms?server=${alice.serverName}`, { filter: { generic_search_term: 'NEARBY' } })
    expect(searched.chunk.map((room: Json) => room.room_id)).toEqual([nearby])
    const alias = encodeURIComponent(`#space:${alice.serverName}`)
    expect((await bob.ok('GET', `/directory/room/${alias}`)).room_id).toBe(space)
    expect((await bob.ok('POST', `/join/${alias}`, {})).room_id).toBe(space)
    expect((await bob.call('POST', `/join/${encodeURIComponent(`#nothing:${alice.serverName}`)}`, {})).status).toBe(404)
    await expectSameState(space, [alice, bob])

    const walk = async (account: ApiAccount): Promise<string[]> => {
      const found: string[] = []
      for (let from = '', end = false; !end;) {
        const page: Json = await account.ok('GET', `/_matrix/client/v1${roomPath(space, `hierarchy?limit=2${from}`)}`)
        found.push(...page.rooms.map((room: Json) => room.room_id))
        from = `&from=${encodeURIComponent(page.next_batch)}`
        end = page.next_batch === undefined
      }
      return found
    }
    const seenByAll = [space, nearby, distant, inner, innermost]
    expect((await walk(alice)).toSorted()).toEqual(seenByAll.toSorted())
    expect((await walk(bob)).toSorted()).toEqual([...seenByAll, secret].toSorted())
    const summary = await carol.ok('GET', `/_matrix/client/v1/room_summary/${encodeURIComponent(distant)}?via=${bob.serverName}`)
    expect(summary).toMatchObject({ room_id: distant, name: 'distant', join_rule: 'public' })
  })

  test('files of one server are read at another', async () => {
    const { alice, bob } = world
    const [here, there] = world.servers
    const bytes = crypto.getRandomValues(new Uint8Array(60_000))
    const uploaded = await fetch(`${here.baseUrl}/_matrix/media/v3/upload?filename=noise.bin`, {
      method: 'POST',
      headers: { authorization: `Bearer ${alice.accessToken}`, 'content-type': 'application/octet-stream' },
      body: bytes,
    })
    const { content_uri: uri } = (await uploaded.json()) as { readonly content_uri: string }
    const download = (name: string) =>
      fetch(`${there.baseUrl}/_matrix/client/v1/media/download/${name}`, { headers: { authorization: `Bearer ${bob.accessToken}` } })
    const downloaded = await download(uri.slice('mxc://'.length))
    expect(downloaded.status).toBe(200)
    expect(downloaded.headers.get('content-type')).toBe('application/octet-stream')
    expect(new Uint8Array(await downloaded.arrayBuffer())).toEqual(bytes)
    const missing = await download(`${alice.serverName}/nothing`)
    expect(missing.status).toBe(404)
    await missing.body?.cancel()
  })
})

test('an upgraded room is followed by its members', async () => {
  const { alice, bob, carol } = world
  const old = await createRoom(alice, { preset: 'public_chat', room_version: '9', name: 'old', topic: 'kept', room_alias_name: 'moving' })
  await mustJoin(bob, old, alice)
  await mustJoin(carol, old, alice)
  await setPower(alice, old, { [bob.userId]: 50 })
  const { replacement_room: replacement } = await alice.ok('POST', roomPath(old, 'upgrade'), { new_version: '12' })
  for (const account of [bob, carol]) {
    await soon(
      'the tombstone is seen',
      async () => (await stateContent(account, old, 'm.room.tombstone'))?.replacement_room === replacement,
    )
    await mustJoin(account, replacement, alice)
  }
  expect((await bob.ok('GET', `/directory/room/${encodeURIComponent(`#moving:${alice.serverName}`)}`)).room_id).toBe(replacement)
  await expectSameState(old, [alice, bob, carol])
  await expectSameState(replacement, [alice, bob, carol])
  expect(await stateContent(carol, replacement, 'm.room.topic')).toMatchObject({ topic: 'kept' })
  expect((await levelsSeenBy(carol, replacement)).users).toEqual({ [bob.userId]: 50 })
  expect((await carol.call('PUT', roomPath(old, 'send/m.room.message/late'), { msgtype: 'm.text', body: 'late' })).status).toBe(403)
  await say(carol, replacement, 'at home')
  await soon('the new room works', async () => (await textsOf(bob, replacement)).includes('at home'))
})

test('a server that the access list denies is neither heard nor let in, until it is allowed again', async () => {
  const { alice, bob, carol } = world
  const denial = { allow: ['*'], deny: [carol.serverName], allow_ip_literals: true }
  const permission = { ...denial, deny: [] }
  const shared = await createRoom(alice, { preset: 'public_chat', room_version: '11' })
  const beside = await createRoom(alice, { preset: 'public_chat' })
  const closed = await createRoom(alice, {
    preset: 'public_chat',
    initial_state: [{ type: 'm.room.server_acl', state_key: '', content: denial }],
  })
  for (const account of [bob, carol]) for (const roomId of [shared, beside]) await mustJoin(account, roomId, alice)
  await mustJoin(bob, closed, alice)
  for (const resident of [alice, bob]) expect((await carol.join(closed, resident.serverName)).status).toBe(403)

  await setState(alice, shared, 'm.room.server_acl', denial)
  await expectSameState(shared, [alice, bob, carol])
  await say(carol, shared, 'unheard')
  await say(carol, beside, 'heard')
  for (const account of [alice, bob]) {
    await soon('the other room goes on', async () => (await textsOf(account, beside)).includes('heard'))
    expect(await textsOf(account, shared)).toEqual([])
  }
  await say(alice, shared, 'said meanwhile')
  await setState(alice, shared, 'm.room.server_acl', permission)
  // A server that has not heard of it yet would refuse for good what is said next.
  for (const account of [bob, carol])
    await soon('the permission is known', async () => (await stateContent(account, shared, 'm.room.server_acl')).deny.length === 0)
  await say(carol, shared, 'heard again')
  for (const account of [alice, bob])
    await soon('the server is heard again', async () => (await textsOf(account, shared)).includes('heard again'))
  await expectSameState(shared, [alice, bob, carol])
  await expectSameHistory(shared, [alice, bob, carol])
  await setState(alice, closed, 'm.room.server_acl', permission)
  await mustJoin(carol, closed, alice)
  await expectSameState(closed, [alice, bob, carol])
})

describe('what came before', () => {
  const before = Array.from({ length: 70 }, (_, index) => `before ${index}`)
  const seen = {
    world_readable: [...before, 'invited', 'joined'],
    shared: [...before, 'invited', 'joined'],
    invited: ['invited', 'joined'],
    joined: ['joined'],
  }

  test.each(Object.entries(seen))('a late member of a room whose history is %s', async (visibility, expected) => {
    const { alice, bob, carol, dave } = world
    const setting = { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }
    const roomId = await createRoom(alice, { preset: 'private_chat', initial_state: [setting], invite: [bob.userId] })
    await mustJoin(bob, roomId, alice)
    const ids: string[] = []
    for (const text of before) {
      ids.push(await say(alice, roomId, text))
      if (ids.length % 20 === 0) await setState(alice, roomId, 'm.room.topic', { topic: text })
    }
    // Dave lives where the room is, and was never in it.
    const peek = await dave.call('GET', roomPath(roomId, 'messages?dir=b&limit=1'))
    expect(peek.status).toBe(visibility === 'world_readable' ? 200 : 403)
    for (const account of [carol, dave]) await act(alice, roomId, 'invite', account)
    await setState(alice, roomId, 'm.room.topic', { topic: 'since the invite' })
    await say(alice, roomId, 'invited')
    await mustJoin(dave, roomId)
    await mustJoin(carol, roomId, alice)
    await setState(alice, roomId, 'm.room.topic', { topic: 'since the join' })
    await say(alice, roomId, 'joined')
    await soon('carol reads along', async () => (await textsOf(carol, roomId)).at(-1) === 'joined')
    expect(await textsOf(carol, roomId)).toEqual(expected)
    await soon('bob has heard all', async () => (await textsOf(bob, roomId)).at(-1) === 'joined')
    expect(await textsOf(bob, roomId)).toEqual(seen.shared)
    const compared = new Set(['m.room.create', 'm.room.topic', 'm.room.message'])
    const view = async (account: ApiAccount, direction: 'b' | 'f'): Promise<string[]> =>
      (await pagedEvents(account, roomId, direction)).filter((event) => compared.has(event.type)).map((event) => event.event_id)
    expect(await view(dave, 'b'), 'no more than who came late beside the history').toEqual(expect.arrayContaining(await view(carol, 'b')))
    expect(await view(carol, 'f')).toEqual(await view(carol, 'b'))
    const early = ids[3] ?? ''
    expect((await eventSeenBy(carol, roomId, early)) !== undefined).toBe(expected.length > before.length)
    await expectSameState(roomId, [alice, bob, carol])
  })

  test('an event of some time is found through another server', async () => {
    const { alice, carol } = world
    const roomId = await createRoom(alice, { preset: 'public_chat' })
    const ids: string[] = []
    for (let index = 0; index < 20; index += 1) ids.push(await say(alice, roomId, String(index)))
    const wanted = await eventSeenBy(alice, roomId, ids[2] ?? '')
    await mustJoin(carol, roomId, alice)
    const path = roomPath(roomId, `timestamp_to_event?ts=${wanted.origin_server_ts}&dir=f`)
    const found = await carol.ok('GET', `/_matrix/client/v1${path}`)
    expect(found.origin_server_ts).toBe(wanted.origin_server_ts)
    const context = await carol.ok('GET', roomPath(roomId, `context/${encodeURIComponent(found.event_id)}?limit=4`))
    expect(context.event.event_id).toBe(found.event_id)
  })
})
