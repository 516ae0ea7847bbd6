import type { RoomId } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { type AppServiceAnswer, type AppServiceCall, WriteBatch } from '../ports/index.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { type Json, TestNode, TestUser } from '../client-api/test-node.test-support.ts'
import { callAs, isTransaction, registerFor, registrationOf, startWithService } from './service-node.test-support.ts'
import { appServiceTables } from './tables.ts'

const json = (body: unknown, status = 200): AppServiceAnswer => ({ kind: 'answered', status, body, text: JSON.stringify(body) })
const pathOf = ({ url }: AppServiceCall): string => decodeURIComponent(url.pathname.replace('/base/_matrix/app/v1', ''))
const ping = '/_matrix/client/v1/appservice/bridge/ping'

test('a service makes its users and aliases when somebody asks for them, and nobody else is asked about', async () => {
  const { node, service } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  const { server } = node.identity
  service.answer = async (call) => {
    if (pathOf(call) === `/users/@net_new:${server}`) await registerFor(node, 'net_new')
    else if (pathOf(call) === `/rooms/#net_hall:${server}`)
      await callAs(node, undefined, 'POST', '/createRoom', { preset: 'public_chat', room_alias_name: 'net_hall' })
    else return json({}, isTransaction(call) ? 200 : 404)
    return json({})
  }
  const invite = async (name: string) =>
    alice.call('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: `@${name}:${server}` })
  expect((await invite('net_new')).status).toBe(200)
  expect((await invite('net_none')).status).toBe(404)
  expect((await invite('nobody')).status).toBe(404)
  expect((await alice.call('POST', `/join/${encodeURIComponent(`#net_hall:${server}`)}`, {})).status).toBe(200)
  expect((await alice.call('GET', `/directory/room/${encodeURIComponent(`#net_no:${server}`)}`)).status).toBe(404)
  expect((await alice.call('GET', `/directory/room/${encodeURIComponent(`#else:${server}`)}`)).status).toBe(404)
  expect((await alice.call('GET', `/profile/${encodeURIComponent(`@net_none:${server}`)}`)).status).toBe(404)
  expect((await node.call('GET', `/profile/${encodeURIComponent(`@net_other:${server}`)}`)).status).toBe(404)
  const asked = service.calls.filter((call) => !isTransaction(call)).map(pathOf)
  expect(asked).toEqual([
    `/users/@net_new:${server}`,
    `/users/@net_none:${server}`,
    `/rooms/#net_hall:${server}`,
    `/rooms/#net_no:${server}`,
    `/users/@net_none:${server}`,
  ])
})

test('users of other servers have users and rooms made, too, and an invite from there reaches the service', async () => {
  const world = new SimulatedWorld(23)
  const { node, service } = await startWithService({}, new TestNode(world))
  const away = new TestNode(world)
  await using _stopped = node
  await using _alsoStopped = away
  await away.start()
  const alice = await away.register('alice')
  const { server } = node.identity
  const take = service.answer
  service.answer = async (call) => {
    if (isTransaction(call)) return take(call)
    if (pathOf(call) === `/users/@net_new:${server}`) await registerFor(node, 'net_new')
    else if (pathOf(call) === `/rooms/#net_hall:${server}`)
      await callAs(node, undefined, 'POST', '/createRoom', { preset: 'public_chat', room_alias_name: 'net_hall' })
    else return json({}, 404)
    return json({})
  }
  const found = await world.finish(alice.ok('GET', `/directory/room/${encodeURIComponent(`#net_hall:${server}`)}`))
  expect(found.servers).toEqual([server])
  const ghost = `@net_new:${server}`
  expect(await world.finish(alice.ok('GET', `/profile/${encodeURIComponent(ghost)}`))).toMatchObject({ displayname: 'net_new' })
  const roomId = await alice.createRoom({ preset: 'private_chat' })
  const invite = async (userId: string) =>
    world.finish(alice.call('POST', `/rooms/${encodeURIComponent(roomId)}/invite`, { user_id: userId }))
  expect((await invite(ghost)).status).toBe(200)
  expect((await invite(`@net_none:${server}`)).status).toBe(403)
  await world.run(1_000)
  expect(service.events.filter((event) => event.room_id === roomId)).toMatchObject([
    { type: 'm.room.member', state_key: ghost, sender: alice.userId, content: { membership: 'invite' }, event_id: expect.any(String) },
  ])
  await world.finish(callAs(node, 'net_new', 'POST', `/join/${encodeURIComponent(roomId)}`, {}))
  const said = await alice.say(roomId, 'welcome')
  await world.run(5_000)
  expect(service.eventIds).toContain(said)
})

test.each([
  ['answers', json({}), 200, { duration_ms: 0 }],
  ['answers badly', json({ errcode: 'M_X' }, 401), 502, { errcode: 'M_BAD_STATUS', status: 401, body: '{"errcode":"M_X"}' }],
  ['cannot be reached', { kind: 'unreachable', reason: 'x' } as const, 502, { errcode: 'M_CONNECTION_FAILED' }],
  ['is too slow', { kind: 'timed-out' } as const, 504, { errcode: 'M_CONNECTION_TIMEOUT' }],
])('a ping of a service that %s', async (_name, answer, status, body) => {
  const { node, service } = await startWithService()
  await using _stopped = node
  service.answer = () => answer
  const reply = await callAs(node, undefined, 'POST', ping, { transaction_id: 'abc' })
  expect(reply).toMatchObject({ status, body })
  expect(service.calls.find((call) => pathOf(call) === '/ping')?.body).toEqual({ transaction_id: 'abc' })
})

test('only a service pings, and only itself; one without an address is told so', async () => {
  const { node } = await startWithService({ url: undefined })
  await using _stopped = node
  const alice = await node.register('alice')
  expect((await alice.call('POST', ping, {})).body.errcode).toBe('M_FORBIDDEN')
  const other = '/_matrix/client/v1/appservice/other/ping'
  expect((await callAs(node, undefined, 'POST', other, {})).body.errcode).toBe('M_FORBIDDEN')
  const reply = await callAs(node, undefined, 'POST', ping, {})
  expect([reply.status, reply.body.errcode]).toEqual([400, 'M_URL_NOT_SET'])
})

test('other networks are what the services say of them', async () => {
  const { node, service } = await startWithService({ protocols: ['irc'] })
  await using _stopped = node
  const alice = await node.register('alice')
  const found = [{ userid: '@net_a:x', protocol: 'irc', fields: {} }]
  const said = { user_fields: [], location_fields: [], icon: '', field_types: {}, instances: [{ network_id: 'n', desc: 'N', fields: {} }] }
  service.answer = (call) => (pathOf(call).startsWith('/thirdparty/protocol/') ? json(said) : json([...found, 'rubbish']))
  const described = { ...said, instances: [{ ...said.instances[0], instance_id: 'bridge|n' }] }
  expect(await alice.ok('GET', '/thirdparty/protocols')).toEqual({ irc: described })
  expect(await alice.ok('GET', '/thirdparty/protocol/irc')).toEqual(described)
  expect(await alice.ok('GET', '/thirdparty/user/irc?nick=a&access_token=secret&user_id=x')).toEqual(found)
  expect(await alice.ok('GET', '/thirdparty/location?alias=%23a')).toEqual(found)
  expect(service.calls.filter((call) => !isTransaction(call)).map(({ url }) => url.search)).toEqual(['', '', '?nick=a', '?alias=%23a'])
  expect((await alice.call('GET', '/thirdparty/user/xmpp')).body.errcode).toBe('M_NOT_FOUND')
  service.answer = () => json('rubbish')
  expect(await alice.ok('GET', '/thirdparty/protocols')).toEqual({})
  expect(await alice.ok('GET', '/thirdparty/user?userid=x')).toEqual([])
})

test('rooms of a network are shown to those who look there, also after a restart', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const roomId = await alice.createRoom({ preset: 'public_chat', name: 'Bridged' })
  const path = `/directory/list/appservice/irc/${encodeURIComponent(roomId)}`
  const list = async (body: object) => (await alice.ok('POST', '/publicRooms', body)).chunk.map((room: { room_id: string }) => room.room_id)
  expect((await alice.call('PUT', path, { visibility: 'public' })).body.errcode).toBe('M_FORBIDDEN')
  expect((await callAs(node, undefined, 'PUT', path, { visibility: 'public' })).status).toBe(200)
  const unknown = `/directory/list/appservice/irc/${encodeURIComponent('!none:x')}`
  expect((await callAs(node, undefined, 'PUT', unknown, { visibility: 'public' })).body.errcode).toBe('M_NOT_FOUND')
  await node[Symbol.asyncDispose]()
  await node.start({ appServices: [registrationOf()] })
  expect(await list({})).toEqual([])
  expect(await list({ third_party_instance_id: 'bridge|irc' })).toEqual([roomId])
  expect(await list({ third_party_instance_id: 'bridge|xmpp' })).toEqual([])
  expect(await list({ include_all_networks: true })).toEqual([roomId])
  expect((await callAs(node, undefined, 'PUT', path, { visibility: 'private' })).status).toBe(200)
  expect(await list({ include_all_networks: true })).toEqual([])
})

test('rooms of networks have an end, which asking again does not move', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await node[Symbol.asyncDispose]()
  const batch = new WriteBatch()
  for (let index = 0; index < limits.implementation.appServiceNetworkRoomsMax; index++)
    batch.put(appServiceTables.networkRooms, ['bridge', `${index}`, roomId as RoomId], true)
  await openMemoryStorage({ disk: node.disk, tableNames: homeserverTableNames }).commit(batch.writes)
  await node.start({ appServices: [registrationOf()] })
  const show = async (network: string, visibility: string) =>
    callAs(node, undefined, 'PUT', `/directory/list/appservice/${network}/${encodeURIComponent(roomId)}`, { visibility })
  // M_LIMIT_EXCEEDED would make clients wait and ask the same again, for ever.
  expect(await show('more', 'public')).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  expect((await show('0', 'public')).status).toBe(200)
  expect((await show('0', 'private')).status).toBe(200)
  expect((await show('more', 'public')).status).toBe(200)
})

/** What a service is told of what passes: in a room with a user of its, in one without, and to a device of that user. */
async function letPass(ephemeral: 'none' | 'stable' | 'unstable', toDevice = ephemeral !== 'none') {
  const { node, service } = await startWithService({ ephemeral, toDevice })
  await using _stopped = node
  const alice = await node.register('alice')
  await registerFor(node, 'net_bob')
  const bob = `@net_bob:${node.identity.server}`
  const roomId = encodeURIComponent(await alice.createRoom({ preset: 'public_chat' }))
  const elsewhere = encodeURIComponent(await alice.createRoom())
  await callAs(node, 'net_bob', 'POST', `/join/${roomId}`, {})
  await callAs(node, 'net_bob', 'PUT', '/devices/DEV', {})
  const eventId = await alice.say(decodeURIComponent(roomId), 'x')
  await node.world.run(100)
  for (const room of [roomId, elsewhere]) await alice.ok('PUT', `/rooms/${room}/typing/${alice.userId}`, { typing: true, timeout: 5_000 })
  await alice.ok('POST', `/rooms/${roomId}/receipt/m.read/${encodeURIComponent(eventId)}`, {})
  await alice.ok('PUT', '/sendToDevice/m.dummy/1', { messages: { [bob]: { DEV: { a: 1 } } } })
  await node.world.run(1_000)
  const listOf = (name: string) => [...service.transactions.values()].flatMap((body) => (body[name] ?? []) as Json[])
  const sync = await callAs(node, 'net_bob', 'GET', '/sync?device_id=DEV')
  return {
    passing: listOf('ephemeral'),
    unstable: listOf('de.sorunome.msc2409.ephemeral'),
    messages: listOf('de.sorunome.msc2409.to_device'),
    left: sync.body.to_device?.events ?? [],
    roomId: decodeURIComponent(roomId),
    message: { type: 'm.dummy', sender: alice.userId, content: { a: 1 }, to_user_id: bob, to_device_id: 'DEV' },
  }
}

test.each(['stable', 'unstable'] as const)('what passes is told to a service that asks for it: %s', async (ephemeral) => {
  const { passing, unstable, messages, left, roomId, message } = await letPass(ephemeral)
  expect(passing.map(({ type }) => type)).toEqual(expect.arrayContaining(['m.typing', 'm.receipt']))
  expect(passing.filter(({ type, room_id: where }) => type !== 'm.presence' && where !== roomId)).toEqual([])
  expect([messages, left]).toEqual([[message], []])
  expect(unstable).toEqual(ephemeral === 'unstable' ? passing : [])
})

test('what passes is not told to a service that does not ask for it', async () => {
  const { passing, unstable, messages, left } = await letPass('none')
  expect([passing, unstable, messages]).toEqual([[], [], []])
  expect(left).toHaveLength(1)
})

test('messages to devices are left to who syncs, where the service does not ask for them', async () => {
  const { passing, messages, left } = await letPass('unstable', false)
  expect(passing).not.toEqual([])
  expect(messages).toEqual([])
  expect(left).toHaveLength(1)
})

test('messages to the devices of people are theirs, in whatever namespace the people are', async () => {
  const namespaces = { users: [{ exclusive: false, matches: () => true }], aliases: [], rooms: [] }
  const { node, service } = await startWithService({ ephemeral: 'stable', toDevice: true, namespaces })
  await using _stopped = node
  const alice = await node.register('alice')
  await alice.ok('PUT', '/sendToDevice/m.dummy/1', { messages: { [alice.userId]: { '*': { a: 1 } } } })
  await node.world.run(1_000)
  expect((await alice.sync()).to_device.events).toHaveLength(1)
  expect(JSON.stringify([...service.transactions.values()])).not.toContain('m.dummy')
})

test('a private receipt is its user’s own business', async () => {
  const { node, service } = await startWithService({ ephemeral: 'stable' })
  await using _stopped = node
  const alice = await node.register('alice')
  await registerFor(node, 'net_bob')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await callAs(node, 'net_bob', 'POST', `/join/${encodeURIComponent(roomId)}`, {})
  const eventId = encodeURIComponent(await alice.say(roomId, 'x'))
  await alice.ok('POST', `/rooms/${encodeURIComponent(roomId)}/receipt/m.read.private/${eventId}`, {})
  await node.world.run(1_000)
  expect(JSON.stringify([...service.transactions.values()])).not.toContain('m.read')
})

test('a node does not start with services that cannot be told apart, or whose sender is a person', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  expect(alice).toBeInstanceOf(TestUser)
  await node[Symbol.asyncDispose]()
  const again = { id: 'two', senderLocalpart: 'two' }
  await expect(node.start({ appServices: [registrationOf(), registrationOf(again)] })).rejects.toThrow(/same as_token/)
  await expect(node.start({ appServices: [registrationOf({ senderLocalpart: 'alice' })] })).rejects.toThrow(/somebody else/)
})

test('a node without a way to call services still lets them act', async () => {
  const node = new TestNode()
  await using _stopped = node
  await node.start({ appServices: [registrationOf()] })
  expect((await registerFor(node, 'net_bob')).status).toBe(200)
})
