import { supportedRoomVersions } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

let node: TestNode
let alice: TestUser
let bob: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
})

afterEach(async () => {
  node.storageFault = undefined
  await node[Symbol.asyncDispose]()
})

const pathOf = (roomId: string): string => `/rooms/${encodeURIComponent(roomId)}`

async function upgrade(user: TestUser, roomId: string, version: string, more: object = {}): Promise<string> {
  return (await user.ok('POST', `${pathOf(roomId)}/upgrade`, { new_version: version, ...more })).replacement_room
}

async function stateOf(user: TestUser, roomId: string): Promise<Map<string, Json>> {
  const events: readonly Json[] = await user.ok('GET', `${pathOf(roomId)}/state`)
  return new Map(events.map((event) => [`${event.type} ${event.state_key}`, event]))
}

const stranger = '@stranger:elsewhere.example'
const settings: readonly (readonly [string, object])[] = [
  ['m.room.join_rules', { join_rule: 'knock' }],
  ['m.room.history_visibility', { history_visibility: 'invited' }],
  ['m.room.guest_access', { guest_access: 'forbidden' }],
  ['m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }],
  ['m.room.name', { name: 'Old and new' }],
  ['m.room.topic', { topic: 'Moving' }],
  ['m.room.avatar', { url: 'mxc://example.org/a' }],
  ['m.room.server_acl', { allow: ['*'], deny: ['evil.example'], allow_ip_literals: false }],
]

/** A room with something of everything that an upgrade copies, and of what it does not. */
async function furnishedRoom(version: string): Promise<string> {
  const roomId = await alice.createRoom({
    preset: 'public_chat',
    room_version: version,
    room_alias_name: `old-${version}`,
    creation_content: { type: 'm.space' },
    initial_state: [{ type: 'org.example.custom', state_key: '', content: { kept: false } }],
  })
  const path = pathOf(roomId)
  await bob.ok('POST', `${path}/join`, {})
  for (const [type, content] of settings) await alice.ok('PUT', `${path}/state/${type}`, content)
  await alice.ok('PUT', `${path}/state/m.space.child/!child:example.org`, { via: ['example.org'] })
  await alice.ok('PUT', `${path}/state/m.space.child/!removed:example.org`, {})
  await alice.ok('POST', `${path}/ban`, { user_id: stranger, reason: 'spam' })
  const levels = (await stateOf(alice, roomId)).get('m.room.power_levels ').content
  await alice.ok('PUT', `${path}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [bob.userId]: 50 } })
  return roomId
}

const versions = supportedRoomVersions.map(({ id }) => id)
const pairs = [...versions.map((version) => [version, '12'] as const), ...versions.map((version) => ['12', version] as const)]

describe.each(pairs)('from version %s to %s', (from, to) => {
  test('the new room is set up as the old one, which is closed and points to it', async () => {
    const roomId = await furnishedRoom(from)
    const before = await stateOf(alice, roomId)
    const successor = await upgrade(alice, roomId, to)
    const state = await stateOf(alice, successor)
    expect(state.get('m.room.create ').content).toMatchObject({ type: 'm.space', room_version: to, predecessor: { room_id: roomId } })
    for (const [type, content] of settings) expect(state.get(`${type} `)?.content).toEqual(content)
    expect(state.get('m.space.child !child:example.org').content).toEqual({ via: ['example.org'] })
    expect(state.get('m.space.child !removed:example.org')).toBeUndefined()
    expect(state.get(`m.room.member ${stranger}`).content).toEqual({ membership: 'ban', reason: 'spam' })
    expect(state.get(`m.room.member ${bob.userId}`)).toBeUndefined()
    expect(state.get('org.example.custom ')).toBeUndefined()
    const levels = state.get('m.room.power_levels ').content
    const creators = to === '12' ? {} : { [alice.userId]: from === '12' ? 150 : 100 }
    expect(levels.users).toEqual({ [bob.userId]: 50, ...creators })
    expect(levels.events).toEqual(before.get('m.room.power_levels ').content.events)

    const closed = await stateOf(alice, roomId)
    expect(closed.get('m.room.tombstone ').content.replacement_room).toBe(successor)
    expect(closed.get('m.room.power_levels ').content).toMatchObject({ events_default: 50, invite: 50 })
    const alias = `#old-${from}:${node.identity.server}`
    expect((await alice.ok('GET', `/directory/room/${encodeURIComponent(alias)}`)).room_id).toBe(successor)
    expect(state.get('m.room.canonical_alias ').content).toEqual({ alias })
    expect(closed.get('m.room.canonical_alias ').content).toEqual({})
    expect(await upgrade(alice, roomId, to)).toBe(successor)
  })
})

test('who may not, and what cannot be', async () => {
  const roomId = await furnishedRoom('11')
  const before = (await alice.ok('GET', '/joined_rooms')).joined_rooms
  const fails = async (user: TestUser, version: string): Promise<unknown> => {
    const { status, body } = await user.call('POST', `${pathOf(roomId)}/upgrade`, { new_version: version })
    return [status, body.errcode]
  }
  expect(await fails(alice, '999')).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
  expect(await fails(bob, '12')).toEqual([403, 'M_FORBIDDEN'])
  expect(await fails(await node.register('carol'), '12')).toEqual([403, 'M_FORBIDDEN'])
  expect((await alice.ok('GET', '/joined_rooms')).joined_rooms).toEqual(before)
  expect((await bob.ok('GET', '/joined_rooms')).joined_rooms).toEqual([roomId])
})

test('creators are named anew, and who is one no longer keeps their power', async () => {
  const roomId = await alice.createRoom({ preset: 'trusted_private_chat', invite: [bob.userId] })
  const successor = await upgrade(alice, roomId, '12', { additional_creators: [stranger, alice.userId, stranger] })
  const state = await stateOf(alice, successor)
  expect(state.get('m.room.create ').content.additional_creators).toEqual([stranger])
  expect(state.get('m.room.power_levels ').content.users).toEqual({ [bob.userId]: 150 })
  const third = await upgrade(alice, successor, '11', { additional_creators: [stranger] })
  const create = (await stateOf(alice, third)).get('m.room.create ').content
  expect(create.additional_creators).toBeUndefined()
  expect((await stateOf(alice, third)).get('m.room.power_levels ').content.users).toMatchObject({ [stranger]: 150, [alice.userId]: 150 })
})

test('power levels in words become numbers', async () => {
  const roomId = await alice.createRoom({
    room_version: '9',
    power_level_content_override: { ban: '60', kick: ' 70 ', users: { [alice.userId]: '100' } },
  })
  const levels = (await stateOf(alice, await upgrade(alice, roomId, '10'))).get('m.room.power_levels ').content
  expect(levels).toMatchObject({ ban: 60, kick: 70, users: { [alice.userId]: 100 } })
})

test('who upgrades with less power than the founder makes no more of it', async () => {
  const roomId = await furnishedRoom('11')
  const levels = (await stateOf(alice, roomId)).get('m.room.power_levels ').content
  const events = { ...levels.events, 'm.room.tombstone': 50 }
  await alice.ok('PUT', `${pathOf(roomId)}/state/m.room.power_levels`, { ...levels, events })
  const state = await stateOf(bob, await upgrade(bob, roomId, '11'))
  expect(state.get('m.room.power_levels ').content.users).toEqual({ [alice.userId]: 100, [bob.userId]: 50 })
  expect(state.get('m.room.server_acl ').content).toEqual(settings.at(-1)?.[1])
})

test('what users set for the old room goes on in the new one, for each who joins it', async () => {
  const roomId = await furnishedRoom('12')
  for (const user of [alice, bob]) {
    await user.ok('PUT', `/user/${user.userId}${pathOf(roomId)}/tags/m.favourite`, { order: 0.5 })
    await user.ok('PUT', `/pushrules/global/room/${encodeURIComponent(roomId)}`, { actions: [] })
    await user.ok('PUT', `/user/${user.userId}/account_data/m.direct`, { [stranger]: [roomId] })
  }
  const successor = await upgrade(alice, roomId, '12')
  await alice.ok('POST', `${pathOf(successor)}/invite`, { user_id: bob.userId })
  await bob.ok('POST', `${pathOf(successor)}/join`, {})
  for (const user of [alice, bob]) {
    expect((await user.ok('GET', `/user/${user.userId}${pathOf(successor)}/tags`)).tags).toEqual({ 'm.favourite': { order: 0.5 } })
    expect((await user.ok('GET', `/pushrules/global/room/${encodeURIComponent(successor)}`)).actions).toEqual([])
    expect(await user.ok('GET', `/user/${user.userId}/account_data/m.direct`)).toEqual({ [stranger]: [roomId, successor] })
  }
})

test('a room that only claims to replace another inherits nothing', async () => {
  const roomId = await furnishedRoom('12')
  await bob.ok('PUT', `/user/${bob.userId}${pathOf(roomId)}/tags/m.favourite`, {})
  const claimed = await alice.createRoom({ preset: 'public_chat', creation_content: { predecessor: { room_id: roomId } } })
  await bob.ok('POST', `${pathOf(claimed)}/join`, {})
  expect((await bob.ok('GET', `/user/${bob.userId}${pathOf(claimed)}/tags`)).tags).toEqual({})
})

test('two requests at once make one room', async () => {
  const roomId = await furnishedRoom('12')
  const [first, second] = await Promise.all([upgrade(alice, roomId, '12'), upgrade(alice, roomId, '12')])
  expect(first).toBe(second)
})

test('an upgrade that breaks off anywhere is finished by the next request, in one room', { timeout: 60_000 }, async () => {
  let brokeOff = 0
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 8 }), async (failing) => {
      await using own = await TestNode.start()
      const founder = await own.register('founder')
      const roomId = await founder.createRoom({ preset: 'public_chat', room_alias_name: 'moving', visibility: 'public' })
      let commits = 0
      own.storageFault = () => {
        if (commits++ >= failing) throw new Error('the device is gone')
      }
      const reply = await founder.call('POST', `${pathOf(roomId)}/upgrade`, { new_version: '12' })
      if (reply.status !== 200) brokeOff++
      own.storageFault = undefined
      await own.restart()
      const successor = await upgrade(founder, roomId, '12')
      const state = await stateOf(founder, roomId)
      expect(state.get('m.room.tombstone ').content.replacement_room).toBe(successor)
      expect(state.get('m.room.power_levels ').content.events_default).toBe(50)
      const alias = `#moving:${own.identity.server}`
      expect((await founder.ok('GET', `/directory/room/${encodeURIComponent(alias)}`)).room_id).toBe(successor)
      expect((await founder.ok('GET', '/joined_rooms')).joined_rooms).toHaveLength(2)
      const { chunk } = await founder.ok('GET', `${pathOf(roomId)}/messages?dir=f&limit=100`)
      expect(chunk.filter((event: Json) => event.type === 'm.room.tombstone')).toHaveLength(1)
      expect((await founder.ok('GET', '/publicRooms')).chunk.map((room: Json) => room.room_id)).toEqual([successor])
    }),
    { numRuns: 30 },
  )
  expect(brokeOff).toBeGreaterThan(5)
})
