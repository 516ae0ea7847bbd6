import { silentLog } from '@kith/testkit/silent-log'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Json, TestNode } from './test-node.test-support.ts'
import { TwoNodes } from './two-nodes.test-support.ts'

let node: TestNode

beforeEach(async () => {
  node = await TestNode.start()
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

describe('dispatch', () => {
  test('versions name every version that matrix-js-sdk asks for', async () => {
    const { body } = await node.call('GET', '/_matrix/client/versions')
    expect(body.versions).toEqual(expect.arrayContaining(['r0.5.0', 'r0.6.0', 'r0.6.1', 'v1.1', 'v1.19']))
  })

  test('unknown paths, wrong methods, missing and unknown tokens', async () => {
    expect(await node.call('GET', '/_matrix/client/v1/auth_metadata')).toMatchObject({ status: 404, body: { errcode: 'M_UNRECOGNIZED' } })
    expect(await node.call('DELETE', '/_matrix/client/versions')).toMatchObject({ status: 405, body: { errcode: 'M_UNRECOGNIZED' } })
    expect(await node.call('GET', '/sync')).toMatchObject({ status: 401, body: { errcode: 'M_MISSING_TOKEN' } })
    expect(await node.call('GET', '/sync', undefined, 'nonsense')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
    expect(await node.call('GET', '/rooms/%E0%A4%A/state')).toMatchObject({ status: 404 })
  })

  test('preflight and answers carry CORS headers', async () => {
    const preflight = await node.clientApi(new Request('http://node.test/_matrix/client/v3/sync', { method: 'OPTIONS' }))
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('Authorization')
    const answer = await node.clientApi(new Request('http://node.test/_matrix/client/v3/nowhere'))
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  })

  test('a body that is no JSON, deep, or large', async () => {
    const alice = await node.register('alice')
    expect(await alice.call('POST', '/createRoom', '{')).toMatchObject({ status: 400, body: { errcode: 'M_NOT_JSON' } })
    expect(await alice.call('POST', '/createRoom', '[]')).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await alice.call('POST', '/createRoom', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`)).toMatchObject({
      status: 400,
      body: { errcode: 'M_BAD_JSON' },
    })
    expect(await alice.call('POST', '/createRoom', JSON.stringify({ name: 'x'.repeat(3_000_000) }))).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    })
  })

  test('a full disk gives a clear error, and the node goes on', async () => {
    const alice = await node.register('alice')
    const roomId = await alice.createRoom()
    const { StorageFullError } = await import('../ports/storage.ts')
    node.storageFault = () => {
      throw new StorageFullError('full')
    }
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/t1`
    expect(await alice.call('PUT', path, { body: 'lost?' })).toMatchObject({ status: 507, body: { errcode: 'M_RESOURCE_LIMIT_EXCEEDED' } })
    node.storageFault = undefined
    expect(await alice.call('PUT', path, { body: 'lost?' })).toMatchObject({ status: 200 })
  })
})

test('what nobody expected is one log line and an error without details', async () => {
  const lines: unknown[] = []
  await using broken = new TestNode()
  broken.log = { ...silentLog, error: (message, fields) => lines.push({ message, fields }) }
  await broken.start()
  const alice = await broken.register('alice')
  broken.storageFault = () => {
    throw new TypeError('inner detail')
  }
  const reply = await alice.call('POST', '/createRoom', {})
  expect(reply).toEqual({ status: 500, body: { errcode: 'M_UNKNOWN', error: 'Internal error' } })
  expect(lines).toHaveLength(1)
})

test('what the end of the server breaks off may be tried again, and is nothing for the log', async () => {
  const lines: string[] = []
  await using nodes = await TwoNodes.start(31, (home) => {
    home.log = { ...silentLog, error: (message) => lines.push(message) }
  })
  await nodes.world.finish(nodes.alice.ok('GET', `/profile/${nodes.bob.userId}`))
  nodes.world.network.cutOneWay(nodes.away.identity.server, nodes.home.identity.server)
  const path = `/join/${encodeURIComponent(`!room:${nodes.away.identity.server}`)}?via=${nodes.away.identity.server}`
  const join = nodes.alice.call('POST', path)
  await nodes.world.run(1000)
  await nodes.home[Symbol.asyncDispose]()
  expect(await join).toEqual({ status: 503, body: { errcode: 'M_UNKNOWN', error: 'The server is closing; try again when it is back' } })
  expect(lines).toEqual([])
})

describe('accounts', () => {
  test('the first user owns the node; afterwards registration is closed', async () => {
    await using closed = await TestNode.start({ openRegistration: false })
    expect(await closed.call('POST', '/register', { username: 'alice' })).toMatchObject({
      status: 401,
      body: { flows: [{ stages: ['m.login.dummy'] }], session: expect.any(String) },
    })
    await closed.register('alice')
    expect(await closed.call('POST', '/register', { username: 'bob' })).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
  })

  test('names: taken, invalid, available; guests', async () => {
    await node.register('alice')
    expect(await node.call('POST', '/register', { username: 'alice' })).toMatchObject({ status: 400, body: { errcode: 'M_USER_IN_USE' } })
    expect(await node.call('POST', '/register', { username: 'Ålice' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_INVALID_USERNAME' },
    })
    expect(await node.call('GET', '/register/available?username=carol')).toMatchObject({ status: 200, body: { available: true } })
    expect(await node.call('POST', '/register?kind=guest', {})).toMatchObject({
      status: 403,
      body: { errcode: 'M_GUEST_ACCESS_FORBIDDEN' },
    })
  })

  test('log in with a password, change it, log out', async () => {
    const alice = await node.register('alice', 'first secret')
    const login = (password: string) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password })
    expect(await node.call('POST', '/login', login('wrong'))).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
    const second = await node.call('POST', '/login', login('first secret'))
    expect(second).toMatchObject({ status: 200, body: { user_id: alice.userId } })
    const challenge = await alice.call('POST', '/account/password', { new_password: 'second secret' })
    expect(challenge).toMatchObject({ status: 401, body: { flows: [{ stages: ['m.login.password'] }] } })
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: alice.userId },
      password: 'first secret',
      session: challenge.body.session,
    }
    await alice.ok('POST', '/account/password', { new_password: 'second secret', auth })
    // Other devices were logged out.
    expect(await node.call('GET', '/account/whoami', undefined, second.body.access_token)).toMatchObject({ status: 401 })
    expect(await node.call('POST', '/login', login('first secret'))).toMatchObject({ status: 403 })
    await alice.ok('POST', '/logout')
    expect(await alice.call('GET', '/account/whoami')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  })

  test('tokens, devices and account data outlive a restart', async () => {
    const alice = await node.register('alice')
    await alice.ok('PUT', `/user/${alice.userId}/account_data/m.direct`, { '@bob:example': ['!room:example'] })
    await node.restart()
    expect(await alice.ok('GET', '/account/whoami')).toMatchObject({ user_id: alice.userId, device_id: alice.deviceId })
    expect(await alice.ok('GET', `/user/${alice.userId}/account_data/m.direct`)).toEqual({ '@bob:example': ['!room:example'] })
  })
})

describe('rooms', () => {
  test('a message is stored once for a transaction id, also when requests overlap and after a restart', async () => {
    const alice = await node.register('alice')
    const roomId = await alice.createRoom()
    const [first, second] = await Promise.all([alice.say(roomId, 'hello', 'txn'), alice.say(roomId, 'hello', 'txn')])
    expect(second).toBe(first)
    await node.restart()
    expect(await alice.say(roomId, 'hello', 'txn')).toBe(first)
    const { chunk } = await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=100`)
    expect(chunk.filter((event: Json) => event.type === 'm.room.message')).toHaveLength(1)
    expect(chunk[0].unsigned.transaction_id).toBe('txn')
  })

  test('a room is made by its preset, invited to, joined, and left', async () => {
    const [alice, bob] = [await node.register('alice'), await node.register('bob')]
    const roomId = await alice.createRoom({
      name: 'Garden',
      topic: 'Plants',
      invite: [bob.userId],
      is_direct: true,
      preset: 'private_chat',
    })
    const path = `/rooms/${encodeURIComponent(roomId)}`
    expect(await alice.ok('GET', `${path}/state/m.room.name/`)).toEqual({ name: 'Garden' })
    expect(await alice.ok('GET', `${path}/state/m.room.power_levels`)).toMatchObject({ users: {} })
    const invited = (await bob.sync()).rooms.invite[roomId]
    expect(invited.invite_state.events).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'm.room.name', content: { name: 'Garden' } }),
        expect.objectContaining({ type: 'm.room.member', state_key: bob.userId, content: expect.objectContaining({ is_direct: true }) }),
      ]),
    )
    expect(await bob.call('PUT', `${path}/send/m.room.message/1`, { body: 'early' })).toMatchObject({ status: 403 })
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    expect(await bob.ok('GET', '/joined_rooms')).toEqual({ joined_rooms: [roomId] })
    expect(Object.keys((await bob.ok('GET', `${path}/joined_members`)).joined).sort()).toEqual([alice.userId, bob.userId].sort())
    const since = (await bob.sync()).next_batch
    await bob.ok('POST', `${path}/leave`)
    expect((await bob.sync(since)).rooms.leave[roomId].timeline.events.at(-1).content.membership).toBe('leave')
    expect(await bob.call('PUT', `${path}/send/m.room.message/2`, { body: 'late' })).toMatchObject({ status: 403 })
  })

  test('kick, ban, unban, redact, power', async () => {
    const [alice, bob] = [await node.register('alice'), await node.register('bob')]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    const path = `/rooms/${encodeURIComponent(roomId)}`
    await bob.ok('POST', `${path}/join`)
    const message = await bob.say(roomId, 'oops')
    expect(await bob.call('POST', `${path}/kick`, { user_id: alice.userId })).toMatchObject({ status: 403 })
    await alice.ok('PUT', `${path}/redact/${message}/r1`, { reason: 'spam' })
    const redacted = await alice.ok('GET', `${path}/event/${message}`)
    expect(redacted.content).toEqual({})
    expect(redacted.unsigned.redacted_because).toMatchObject({ type: 'm.room.redaction', redacts: message })
    await alice.ok('POST', `${path}/ban`, { user_id: bob.userId })
    expect(await bob.call('POST', `${path}/join`)).toMatchObject({ status: 403 })
    await alice.ok('POST', `${path}/unban`, { user_id: bob.userId })
    await bob.ok('POST', `${path}/join`)
    await alice.ok('POST', `${path}/kick`, { user_id: bob.userId })
    expect(await alice.ok('GET', `${path}/members?membership=leave`)).toMatchObject({ chunk: [{ state_key: bob.userId }] })
  })

  test('paging back and forth, context, relations', async () => {
    const alice = await node.register('alice')
    const roomId = await alice.createRoom()
    const path = `/rooms/${encodeURIComponent(roomId)}`
    const sent: string[] = []
    for (let index = 0; index < 30; index++) sent.push(await alice.say(roomId, `message ${index}`))
    const seen: string[] = []
    let from = ''
    for (;;) {
      const page: Json = await alice.ok('GET', `${path}/messages?dir=b&limit=7${from === '' ? '' : `&from=${from}`}`)
      seen.push(...page.chunk.map((event: Json) => event.event_id))
      if (page.end === undefined) break
      from = page.end
    }
    expect(seen.filter((id) => sent.includes(id)).reverse()).toEqual(sent)
    expect(new Set(seen).size).toBe(seen.length)
    const context = await alice.ok('GET', `${path}/context/${sent[10]}?limit=4`)
    expect(context.events_before.map((event: Json) => event.event_id)).toEqual([sent[9], sent[8]])
    expect(context.events_after.map((event: Json) => event.event_id)).toEqual([sent[11], sent[12]])
    const onward = await alice.ok('GET', `${path}/messages?dir=f&limit=2&from=${context.end}`)
    expect(onward.chunk.map((event: Json) => event.event_id)).toEqual([sent[13], sent[14]])
    const edit = { body: '* new', 'm.relates_to': { rel_type: 'm.replace', event_id: sent[3] } }
    const { event_id: editId } = await alice.ok('PUT', `${path}/send/m.room.message/edit`, edit)
    const related = await alice.ok('GET', `/_matrix/client/v1${path}/relations/${sent[3]}/m.replace`)
    expect(related.chunk.map((event: Json) => event.event_id)).toEqual([editId])
  })

  test('a changed profile reaches the rooms', async () => {
    const alice = await node.register('alice')
    const roomId = await alice.createRoom()
    await alice.ok('PUT', `/profile/${alice.userId}/displayname`, { displayname: 'Alice A.' })
    expect(await alice.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${alice.userId}`)).toMatchObject({
      membership: 'join',
      displayname: 'Alice A.',
    })
    expect(await alice.ok('GET', `/profile/${alice.userId}`)).toEqual({ displayname: 'Alice A.' })
  })
})
