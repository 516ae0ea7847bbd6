import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from '../client-api/test-node.test-support.ts'

let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
  const initial_state = [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }]
  roomId = await alice.createRoom({ preset: 'public_chat', topic: 'before', initial_state })
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

const topicOf = (events: readonly Json[]): Json => events.find((event) => event.type === 'm.room.topic')
const setTopic = async (topic: string): Promise<Json> => alice.ok('PUT', `/rooms/${roomId}/state/m.room.topic`, { topic })

test('what a state event replaced is told to those who may see that; that it replaced something, to all', async () => {
  const before = topicOf(await alice.ok('GET', `/rooms/${roomId}/state`))
  expect(before.unsigned).not.toHaveProperty('replaces_state')
  await bob.ok('POST', `/join/${roomId}`)
  const { next_batch: since } = await bob.sync()
  const { event_id: second } = await setTopic('while bob is here')
  const told = async (user: TestUser): Promise<Json> => topicOf((await user.sync(since)).rooms.join[roomId].timeline.events).unsigned
  expect(await told(alice)).toMatchObject({ replaces_state: before.event_id, prev_content: { topic: 'before' } })
  expect(await told(bob)).toMatchObject({ replaces_state: before.event_id })
  expect(await told(bob)).not.toHaveProperty('prev_content')
  await setTopic('again')
  const { unsigned } = topicOf((await bob.sync()).rooms.join[roomId].timeline.events.toReversed())
  expect(unsigned).toMatchObject({ replaces_state: second, prev_content: { topic: 'while bob is here' } })
  expect(unsigned).not.toHaveProperty('prev_sender')
})

test('each event says what its reader was in the room, with what the event made of it', async () => {
  await setTopic('outside')
  await alice.ok('POST', `/rooms/${roomId}/invite`, { user_id: bob.userId })
  await setTopic('invited')
  await bob.ok('POST', `/join/${roomId}`)
  const said = await alice.say(roomId, 'hello')
  const state = await bob.ok('GET', `/rooms/${roomId}/state`)
  expect(topicOf(state).unsigned.membership).toBe('invite')
  expect(state.find((event: Json) => event.type === 'm.room.create').unsigned.membership).toBe('leave')
  expect(state.find((event: Json) => event.state_key === bob.userId).unsigned.membership).toBe('join')
  expect((await bob.ok('GET', `/rooms/${roomId}/event/${said}`)).unsigned.membership).toBe('join')
})
