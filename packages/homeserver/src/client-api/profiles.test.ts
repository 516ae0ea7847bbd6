import { afterEach, beforeEach, expect, test } from 'vitest'
import { TestNode, type TestUser } from './test-node.test-support.ts'

let node: TestNode
let alice: TestUser

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const path = (field: string): string => `/profile/${alice.userId}/${field}`
const put = async (field: string, value: unknown) => alice.call('PUT', path(field), { [field]: value })

test('fields of any kind, by either name of the API', async () => {
  for (const [field, value] of [
    ['m.tz', 'Europe/Berlin'],
    ['org.example.pronouns', ['they', 'them']],
    ['org.example.nothing', null],
    ['org.example.a.b_2', { deep: { er: 1 } }],
  ] as const) {
    expect(await put(field, value)).toMatchObject({ status: 200 })
    expect(await alice.ok('GET', path(field))).toEqual({ [field]: value })
    expect(await alice.ok('GET', `/_matrix/client/unstable/uk.tcpip.msc4133${path(field)}`)).toEqual({ [field]: value })
  }
  expect(Object.keys(await alice.ok('GET', `/profile/${alice.userId}`))).toHaveLength(5)
  await alice.ok('DELETE', path('org.example.pronouns'))
  await alice.ok('DELETE', path('org.example.pronouns'))
  expect(await alice.call('GET', path('org.example.pronouns'))).toMatchObject({ status: 404 })
})

test.each([
  ['nodots', 1, 'M_INVALID_PARAM'],
  ['Org.example', 1, 'M_INVALID_PARAM'],
  ['org..example', 1, 'M_INVALID_PARAM'],
  ['__proto__', 1, 'M_INVALID_PARAM'],
  [`org.${'x'.repeat(252)}`, 1, 'M_KEY_TOO_LARGE'],
  ['displayname', 5, 'M_INVALID_PARAM'],
  ['displayname', 'x'.repeat(1000), 'M_INVALID_PARAM'],
  ['avatar_url', 'https://example.org/picture', 'M_INVALID_PARAM'],
  ['m.tz', { zone: 1 }, 'M_INVALID_PARAM'],
  ['org.example.large', 'ü'.repeat(32 * 1024), 'M_PROFILE_TOO_LARGE'],
])('%s is refused', async (field, value, errcode) => {
  expect(await put(field, value)).toMatchObject({ status: 400, body: { errcode } })
})

test('a body that does not name the field', async () => {
  expect(await alice.call('PUT', path('displayname'), { avatar_url: 'mxc://a/b' })).toMatchObject({
    status: 400,
    body: { errcode: 'M_MISSING_PARAM' },
  })
})

test('only the user changes a profile', async () => {
  const bob = await node.register('bob')
  expect(await bob.call('PUT', path('displayname'), { displayname: 'Mallory' })).toMatchObject({ status: 403 })
  expect(await bob.call('DELETE', path('displayname'))).toMatchObject({ status: 403 })
})

test('changes at the same moment all count', async () => {
  await Promise.all(Array.from({ length: 20 }, async (_, index) => put(`org.example.field_${index}`, index)))
  expect(Object.keys(await alice.ok('GET', `/profile/${alice.userId}`))).toHaveLength(21)
})

test('names and pictures are told to the rooms, other fields are not', async () => {
  const roomId = await alice.createRoom()
  const member = `/rooms/${roomId}/state/m.room.member/${alice.userId}`
  await put('displayname', 'Alice')
  await put('avatar_url', 'mxc://example.org/face')
  expect(await alice.ok('GET', member)).toMatchObject({ displayname: 'Alice', avatar_url: 'mxc://example.org/face' })
  const { next_batch: since } = await alice.sync()
  await put('m.tz', 'Europe/Berlin')
  expect((await alice.sync(since)).rooms.join[roomId]).toBeUndefined()
  await alice.ok('DELETE', path('displayname'))
  expect(await alice.ok('GET', member)).not.toHaveProperty('displayname')
})
