import type { ServerName, UserId } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { isFreeOfRates } from '../client-api/authenticate.ts'
import { type Json, TestNode } from '../client-api/test-node.test-support.ts'
import { limits } from '../limits.ts'
import { AppServices } from './app-services.ts'
import { AS_TOKEN, callAs, registerFor, registrationOf, startWithService } from './service-node.test-support.ts'

const room = (roomId: string, rest: string): string => `/rooms/${encodeURIComponent(roomId)}/${rest}`

test('a service acts as its sender or as a registered user of its namespaces, and as nobody else', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const sender = `@bridge:${node.identity.server}`
  expect((await callAs(node, undefined, 'GET', '/account/whoami')).body).toEqual({ user_id: sender, is_guest: false })
  expect((await callAs(node, 'net_bob', 'GET', '/account/whoami')).body.errcode).toBe('M_FORBIDDEN')
  expect((await registerFor(node, 'net_bob')).status).toBe(200)
  expect((await registerFor(node, 'net_bob')).body.errcode).toBe('M_USER_IN_USE')
  expect((await callAs(node, 'net_bob', 'GET', '/account/whoami')).body.user_id).toBe(`@net_bob:${node.identity.server}`)
  const asAlice = await callAs(node, 'alice', 'GET', '/account/whoami')
  expect([asAlice.status, asAlice.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  expect((await callAs(node, 'net_bob', 'GET', '/account/whoami?device_id=NONE')).body.errcode).toBe('M_UNKNOWN_DEVICE')
  expect((await callAs(node, 'net_bob', 'PUT', '/devices/DEV', {})).status).toBe(201)
  expect((await callAs(node, 'net_bob', 'GET', '/account/whoami?device_id=DEV')).body.device_id).toBe('DEV')
  expect((await callAs(node, 'net_bob', 'POST', '/keys/upload', {})).body.errcode).toBe('M_MISSING_PARAM')
  expect((await alice.call('GET', '/account/whoami?user_id=%40net_bob%3Ax')).body.user_id).toBe(alice.userId)
})

test('the first person owns the node, and services neither take that nor are kept out', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  await registerFor(node, 'net_first')
  const alice = await node.register('alice')
  const late = await node.call('POST', '/register', { username: 'late', auth: { type: 'm.login.dummy' } })
  expect([late.status, late.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
  expect((await registerFor(node, 'net_later')).status).toBe(200)
  const lock = `/_matrix/client/v1/admin/lock/${encodeURIComponent(`@net_later:${node.identity.server}`)}`
  expect((await callAs(node, 'net_first', 'PUT', lock, { locked: true })).status).toBe(403)
  expect((await alice.call('PUT', lock, { locked: true })).status).toBe(200)
  const locked = await callAs(node, 'net_later', 'GET', '/account/whoami')
  expect([locked.status, locked.body.errcode]).toEqual([401, 'M_USER_LOCKED'])
})

test('what is exclusive is refused to others, and what is not its own to the service', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  await node[Symbol.asyncDispose]()
  await node.start({ appServices: [registrationOf()], openRegistration: true })
  const alice = await node.register('alice')
  const register = { username: 'net_mine', auth: { type: 'm.login.dummy' } }
  expect((await node.call('POST', '/register', register)).body.errcode).toBe('M_EXCLUSIVE')
  expect((await node.call('GET', '/register/available?username=net_mine')).body.errcode).toBe('M_EXCLUSIVE')
  expect((await node.call('GET', '/register/available?username=bridge')).body.errcode).toBe('M_EXCLUSIVE')
  expect((await registerFor(node, 'other')).body.errcode).toBe('M_EXCLUSIVE')
  expect((await alice.call('POST', '/createRoom', { room_alias_name: 'net_hall' })).body.errcode).toBe('M_EXCLUSIVE')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  const alias = encodeURIComponent(`#net_hall:${node.identity.server}`)
  expect((await alice.call('PUT', `/directory/room/${alias}`, { room_id: roomId })).body.errcode).toBe('M_EXCLUSIVE')
  const { room_id: bridged } = (await callAs(node, undefined, 'POST', '/createRoom', { room_alias_name: 'net_hall' })).body
  expect((await alice.ok('GET', `/directory/room/${alias}`)).room_id).toBe(bridged)
  expect((await callAs(node, undefined, 'POST', '/createRoom', { room_alias_name: 'hall' })).body.errcode).toBe('M_EXCLUSIVE')
})

test('only who has its token registers and logs in for a service', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const body = { type: 'm.login.application_service', username: 'net_eve' }
  expect((await node.call('POST', '/register', body)).body.errcode).toBe('M_MISSING_TOKEN')
  expect((await node.call('POST', '/register', body, alice.token)).body.errcode).toBe('M_UNKNOWN_TOKEN')
  const { access_token: token } = (await node.call('POST', '/register', { ...body, device_id: 'D' }, AS_TOKEN)).body
  expect((await node.call('GET', '/account/whoami', undefined, token)).body.device_id).toBe('D')
  const login = { type: 'm.login.application_service', identifier: { type: 'm.id.user', user: 'net_eve' } }
  expect((await node.call('POST', '/login', login)).status).toBe(401)
  expect((await node.call('POST', '/login', login, AS_TOKEN)).body.user_id).toBe(`@net_eve:${node.identity.server}`)
  const asAlice = { ...login, identifier: { type: 'm.id.user', user: 'alice' } }
  expect((await node.call('POST', '/login', asAlice, AS_TOKEN)).body.errcode).toBe('M_EXCLUSIVE')
  expect((await node.call('GET', '/login')).body.flows).toContainEqual({ type: 'm.login.application_service' })
})

test('a service says when things happened; for people it is now', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  const { room_id: roomId } = (await callAs(node, undefined, 'POST', '/createRoom', { preset: 'public_chat' })).body
  await alice.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})
  const timeOf = async (eventId: string): Promise<number> =>
    (await alice.ok('GET', room(roomId, `event/${encodeURIComponent(eventId)}`))).origin_server_ts
  const said = await callAs(node, undefined, 'PUT', room(roomId, 'send/m.room.message/1?ts=12345'), { body: 'old' })
  const named = await callAs(node, undefined, 'PUT', room(roomId, 'state/m.room.topic?ts=23456'), { topic: 'old' })
  const mine = await alice.ok('PUT', room(roomId, 'send/m.room.message/1?ts=12345'), { body: 'new' })
  expect(await timeOf(said.body.event_id)).toBe(12_345)
  expect(await timeOf(named.body.event_id)).toBe(23_456)
  expect(await timeOf(mine.event_id)).toBeGreaterThan(23_456)
  const wrong = await callAs(node, undefined, 'PUT', room(roomId, 'send/m.room.message/2?ts=soon'), { body: 'x' })
  expect(wrong.body.errcode).toBe('M_INVALID_PARAM')
})

test('the members of a room are told to a service one of whose users is inside, whoever of them asks', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  await registerFor(node, 'net_bob')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  expect((await callAs(node, undefined, 'GET', room(roomId, 'joined_members'))).status).toBe(403)
  await callAs(node, 'net_bob', 'POST', room(roomId, 'join'), {})
  const { joined } = (await callAs(node, undefined, 'GET', room(roomId, 'joined_members'))).body
  expect(Object.keys(joined).toSorted()).toEqual([alice.userId, `@net_bob:${node.identity.server}`].toSorted())
  expect((await callAs(node, undefined, 'GET', room(roomId, 'members'))).status).toBe(403)
})

test('users of a service are notified of nothing; people in the same room are, and its users’ words are', async () => {
  const { node } = await startWithService()
  await using _stopped = node
  const alice = await node.register('alice')
  await registerFor(node, 'net_bob')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await callAs(node, 'net_bob', 'POST', room(roomId, 'join'), {})
  await alice.ok('PUT', `${room(roomId, 'send/m.room.message')}/1`, { body: 'net_bob: hello' })
  await callAs(node, 'net_bob', 'PUT', room(roomId, 'send/m.room.message/2'), { body: 'hello' })
  const countOf = ({ rooms }: Json): unknown => rooms.join[roomId].unread_notifications.notification_count
  expect(countOf(await alice.sync())).toBe(1)
  expect(countOf((await callAs(node, 'net_bob', 'GET', '/sync')).body)).toBe(0)
  expect((await callAs(node, 'net_bob', 'GET', '/notifications')).body.notifications).toEqual([])
})

test('a service ends its users without a password; not its sender, and nobody whom it did not make', async () => {
  const node = new TestNode()
  const everybody = [{ exclusive: false, matches: () => true }]
  await startWithService({ namespaces: { users: everybody, aliases: [], rooms: [] } }, node)
  await using _stopped = node
  await node.register('alice')
  await registerFor(node, 'net_bob')
  for (const user of ['alice', undefined]) {
    expect((await callAs(node, user, 'POST', '/account/deactivate', {})).status).toBe(401)
    expect((await callAs(node, user, 'GET', '/account/whoami')).status).toBe(200)
  }
  expect(await callAs(node, 'net_bob', 'POST', '/account/deactivate', {})).toMatchObject({ status: 200 })
  expect((await callAs(node, 'net_bob', 'GET', '/account/whoami')).status).toBe(403)
  expect((await registerFor(node, 'net_bob')).body.errcode).toBe('M_USER_IN_USE')
})

test('a rate-limited service may not do as much as it likes, except as its sender', async () => {
  const { node } = await startWithService({ rateLimited: true })
  await using _stopped = node
  await registerFor(node, 'net_bob')
  const again = async (user: string | undefined) => callAs(node, user, 'POST', '/user_directory/search', { search_term: 'x' })
  for (let count = 0; count < limits.implementation.changesPerUser.burst; count++) await again('net_bob')
  expect([(await again('net_bob')).status, (await again(undefined)).status]).toEqual([429, 200])
}, 30_000)

test.each([
  [true, false],
  [false, true],
])('with rate_limited: %s a user of a service is free of rates: %s', (rateLimited, isFree) => {
  const appServices = new AppServices([registrationOf({ rateLimited })], 'here.example' as ServerName, undefined)
  const session = { userId: '@net_bob:here.example' as UserId, deviceId: '' }
  expect(isFreeOfRates({ appServices }, { ...session, appServiceId: 'bridge' })).toBe(isFree)
  expect(isFreeOfRates({ appServices }, session)).toBe(false)
})
