import { afterEach, beforeEach, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { TestNode, type TestUser } from './test-node.test-support.ts'

const { oneTimeKeysPerDeviceMax, filtersPerUserMax, aliasesPerRoomMax, pushRulesPerKindMax } = limits.implementation
let node: TestNode
let alice: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

/** M_LIMIT_EXCEEDED would make clients wait and ask the same again, for ever. */
const full = { status: 400, body: { errcode: 'M_UNKNOWN' } }

test('of one-time keys', async () => {
  const keys = Array.from({ length: oneTimeKeysPerDeviceMax }, (_, index) => [`curve25519:${index}`, 'key'])
  await alice.ok('POST', '/keys/upload', { one_time_keys: Object.fromEntries(keys) })
  expect(await alice.call('POST', '/keys/upload', { one_time_keys: { 'curve25519:more': 'key' } })).toMatchObject(full)
})

test('of filters', async () => {
  const path = `/user/${alice.userId}/filter`
  for (let limit = 1; limit <= filtersPerUserMax; limit++) await alice.ok('POST', path, { room: { timeline: { limit } } })
  expect(await alice.call('POST', path, { room: { timeline: { limit: 5_000 } } })).toMatchObject(full)
})

test('of aliases of a room', async () => {
  const roomId = await alice.createRoom()
  const add = async (name: string) =>
    alice.call('PUT', `/directory/room/${encodeURIComponent(`#${name}:${alice.userId.split(':').slice(1).join(':')}`)}`, {
      room_id: roomId,
    })
  for (let count = 0; count < aliasesPerRoomMax; count++) expect((await add(`${count}`)).status).toBe(200)
  expect(await add('one-more')).toMatchObject(full)
})

test('of push rules', async () => {
  const add = async (name: string) => alice.call('PUT', `/pushrules/global/sender/${name}`, { actions: [] })
  for (let count = 0; count < pushRulesPerKindMax; count++) expect((await add(`${count}`)).status).toBe(200)
  expect(await add('one-more')).toMatchObject(full)
})
