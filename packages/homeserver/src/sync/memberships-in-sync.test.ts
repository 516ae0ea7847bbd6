import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string
let path: string

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
  const knocking = { type: 'm.room.join_rules', content: { join_rule: 'knock' } }
  roomId = await alice.createRoom({ name: 'Behind the door', initial_state: [knocking] })
  path = `/rooms/${encodeURIComponent(roomId)}`
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

async function knock(): Promise<void> {
  await bob.ok('POST', `/knock/${encodeURIComponent(roomId)}`, { reason: 'please' })
}

function memberships(section: Json): string[] {
  return section.timeline.events.filter((event: Json) => event.state_key === bob.userId).map((event: Json) => event.content.membership)
}

function types(section: Json, name = 'state_after'): string[] {
  return section[name].events.map((event: Json) => event.type)
}

test('a knock shows what the room shows to strangers, once, and again to who asks for everything', async () => {
  const { next_batch: since } = await bob.sync()
  await knock()
  const knocked = await bob.sync(since)
  expect(knocked.rooms).toMatchObject({ join: {}, invite: {}, leave: {} })
  const { events } = knocked.rooms.knock[roomId].knock_state
  expect(events).toContainEqual(expect.objectContaining({ type: 'm.room.name', content: { name: 'Behind the door' } }))
  const own = events.find((event: Json) => event.state_key === bob.userId)
  expect(own).toMatchObject({ sender: bob.userId, content: { membership: 'knock', reason: 'please' } })
  // Nothing of a stranger's business.
  for (const event of events) expect(Object.keys(event)).not.toContain('unsigned')
  expect((await bob.sync(knocked.next_batch)).rooms.knock).toEqual({})
  expect(Object.keys((await bob.sync(knocked.next_batch, { full_state: 'true' })).rooms.knock)).toEqual([roomId])
  expect(Object.keys((await bob.sync()).rooms.knock)).toEqual([roomId])
})

test('a knock that is refused, or taken back, ends; one that is answered becomes an invite', async () => {
  for (const end of [
    async () => alice.ok('POST', `${path}/kick`, { user_id: bob.userId }),
    async () => bob.ok('POST', `${path}/leave`, {}),
  ]) {
    await knock()
    const { next_batch: since } = await bob.sync()
    await end()
    const answer = await bob.sync(since, { use_state_after: 'true' })
    expect(answer.rooms.knock).toEqual({})
    // Who was never inside is told of their own membership, and of nothing else.
    expect(memberships(answer.rooms.leave[roomId])).toEqual(['leave'])
    expect(answer.rooms.leave[roomId].timeline.events).toHaveLength(1)
    expect(types(answer.rooms.leave[roomId])).toEqual(['m.room.member'])
  }
  await knock()
  const { next_batch: since } = await bob.sync()
  await alice.ok('POST', `${path}/invite`, { user_id: bob.userId })
  const invited = await bob.sync(since)
  expect([Object.keys(invited.rooms.knock), Object.keys(invited.rooms.invite)]).toEqual([[], [roomId]])
})

test.each(['state', 'state_after'])('whoever was put out learns of it, and of nothing that came later (%s)', async (name) => {
  const parameters: Record<string, string> = name === 'state' ? {} : { use_state_after: 'true' }
  await alice.ok('POST', `${path}/invite`, { user_id: bob.userId })
  await bob.ok('POST', `${path}/join`, {})
  const { next_batch: since } = await bob.sync()
  await alice.say(roomId, 'before')
  await alice.ok('POST', `${path}/kick`, { user_id: bob.userId })
  await alice.say(roomId, 'after')
  await alice.ok('PUT', `${path}/state/m.room.topic`, { topic: 'after' })
  await alice.ok('POST', `${path}/ban`, { user_id: bob.userId, reason: 'and stay out' })
  const { leave } = (await bob.sync(since, parameters)).rooms
  expect(leave[roomId].timeline.events.map((event: Json) => event.content.body ?? event.content.membership)).toEqual([
    'before',
    'leave',
    'ban',
  ])
  expect(types(leave[roomId], name)).not.toContain('m.room.topic')
  const own = leave[roomId][name].events.filter((event: Json) => event.state_key === bob.userId)
  expect(own.map((event: Json) => event.content.membership)).toEqual(name === 'state' ? [] : ['ban'])
  expect(await bob.call('GET', `${path}/state/m.room.topic`)).toMatchObject({ status: 404 })
  // Between two answers: only the ban.
  const left = await bob.sync()
  await alice.ok('POST', `${path}/unban`, { user_id: bob.userId })
  await alice.say(roomId, 'still after')
  await alice.ok('POST', `${path}/ban`, { user_id: bob.userId })
  const filter = JSON.stringify({ room: { include_leave: true } })
  expect(JSON.stringify((await bob.sync(left.next_batch, { filter })).rooms)).not.toMatch(/:"(still )?after"/)
  expect(JSON.stringify((await bob.sync(undefined, { filter, ...parameters })).rooms)).not.toMatch(/:"(still )?after"/)
})

test('members at a moment are those of that moment; for who left, at most of when they left', async () => {
  const names = async (user: TestUser, at?: string): Promise<string[]> => {
    const { chunk } = await user.ok('GET', `${path}/members?membership=join${at === undefined ? '' : `&at=${at}`}`)
    return chunk.map((event: Json) => event.state_key).toSorted()
  }
  const alone = (await alice.sync()).next_batch
  await alice.ok('POST', `${path}/invite`, { user_id: bob.userId })
  await bob.ok('POST', `${path}/join`, {})
  const together = (await alice.sync()).next_batch
  await bob.ok('POST', `${path}/leave`, {})
  const carol = await node.register('carol')
  await alice.ok('POST', `${path}/invite`, { user_id: carol.userId })
  await carol.ok('POST', `${path}/join`, {})
  const later = (await alice.sync()).next_batch
  expect(await names(alice, alone)).toEqual([alice.userId])
  expect(await names(alice, together)).toEqual([alice.userId, bob.userId])
  expect(await names(alice, later)).toEqual([alice.userId, carol.userId])
  expect(await names(bob, together)).toEqual([alice.userId, bob.userId])
  for (const at of [undefined, later]) expect(await names(bob, at)).toEqual([alice.userId])
})
