import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Json, TestNode, type TestUser } from './test-node.test-support.ts'

let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string
let path: string

beforeEach(async () => {
  node = await TestNode.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
})

afterEach(async () => {
  await node[Symbol.asyncDispose]()
})

async function room(version: string): Promise<void> {
  roomId = await alice.createRoom({ preset: 'public_chat', room_version: version })
  path = `/rooms/${encodeURIComponent(roomId)}`
  await bob.ok('POST', `${path}/join`, {})
}

async function redact(user: TestUser, eventId: string, txnId = 'redaction'): Promise<string> {
  return (await user.ok('PUT', `${path}/redact/${eventId}/${txnId}`, { reason: 'regret' })).event_id
}

function find(events: readonly Json[], eventId: string): Json {
  return events.find((event) => event.event_id === eventId)
}

describe.each(['2', '10', '11', '12'])('in room version %s', (version) => {
  beforeEach(async () => room(version))

  test('a redacted message is empty in every way of reading, and says by what', async () => {
    const first = await bob.say(roomId, 'first')
    const { next_batch: since } = await alice.sync()
    const target = await bob.say(roomId, 'secret')
    const relation = { rel_type: 'm.thread', event_id: first }
    const { event_id: related } = await bob.ok('PUT', `${path}/send/m.room.message/r`, { body: 'secret too', 'm.relates_to': relation })
    const redaction = await redact(alice, target)
    await redact(alice, related, 'other')
    await node.restart()

    const { chunk } = await alice.ok('GET', `${path}/messages?dir=b&limit=50`)
    const context = await alice.ok('GET', `${path}/context/${first}`)
    const syncs = [await alice.sync(), await alice.sync(since)].map((answer) => answer.rooms.join[roomId].timeline.events)
    const shown = [
      await alice.ok('GET', `${path}/event/${target}`),
      ...[chunk, context.events_after, ...syncs].map((events) => find(events, target)),
    ]
    const because = {
      event_id: redaction,
      type: 'm.room.redaction',
      redacts: target,
      content: { reason: 'regret', redacts: target },
      sender: alice.userId,
    }
    for (const event of shown) {
      expect(event.content).toEqual({})
      expect(event.unsigned.redacted_because).toMatchObject(because)
    }
    // It relates to nothing any more.
    expect((await alice.ok('GET', `/_matrix/client/v1${path}/relations/${first}`)).chunk).toEqual([])
    // Clients of any age find the target.
    expect(find(chunk, redaction)).toMatchObject({ redacts: target, content: { reason: 'regret', redacts: target } })
    expect(JSON.stringify([shown, syncs, chunk])).not.toContain('secret')
  })

  test('redacted state is shown redacted, and as what it replaced', async () => {
    const { event_id: target } = await alice.ok('PUT', `${path}/state/m.room.topic`, { topic: 'secret' })
    const { next_batch: since } = await bob.sync()
    await redact(alice, target)
    expect(await bob.ok('GET', `${path}/state/m.room.topic`)).toEqual({})
    expect(find(await bob.ok('GET', `${path}/state`), target).unsigned.redacted_because.sender).toBe(alice.userId)
    expect(JSON.stringify(await bob.sync(undefined, { full_state: 'true' }))).not.toContain('secret')
    const { event_id: next } = await alice.ok('PUT', `${path}/state/m.room.topic`, { topic: 'public' })
    expect(find((await bob.sync(since)).rooms.join[roomId].timeline.events, next).unsigned.prev_content).toEqual({})
  })

  test('a repeated request is one redaction, also after a restart', async () => {
    const target = await alice.say(roomId, 'once')
    const redaction = await redact(alice, target)
    await node.restart()
    expect(await redact(alice, target)).toBe(redaction)
    const { chunk } = await alice.ok('GET', `${path}/messages?dir=b&limit=50`)
    expect(chunk.filter((event: Json) => event.type === 'm.room.redaction')).toHaveLength(1)
  })

  test('own events may be redacted, those of others only with power, though both are of one server', async () => {
    const [ofAlice, ofBob] = [await alice.say(roomId, 'hers'), await bob.say(roomId, 'his')]
    const refused = [
      await bob.call('PUT', `${path}/redact/${ofAlice}/1`, {}),
      await bob.call('PUT', `${path}/send/m.room.redaction/2`, { redacts: ofAlice }),
    ]
    for (const { status, body } of refused) expect([status, body.errcode]).toEqual([403, 'M_FORBIDDEN'])
    expect((await bob.ok('GET', `${path}/event/${ofAlice}`)).content.body).toBe('hers')
    await redact(bob, ofBob)
    expect((await alice.ok('GET', `${path}/event/${ofBob}`)).content).toEqual({})
    const viaSend = await alice.say(roomId, 'by the other endpoint')
    await alice.ok('PUT', `${path}/send/m.room.redaction/3`, { redacts: viaSend })
    expect((await alice.ok('GET', `${path}/event/${viaSend}`)).content).toEqual({})
  })

  test('an event of another room, and none at all, are not redacted', async () => {
    const elsewhere = await alice.say(await alice.createRoom(), 'elsewhere')
    expect(await alice.call('PUT', `${path}/redact/${elsewhere}/1`, {})).toMatchObject({ status: 404 })
    expect(await alice.call('PUT', `${path}/send/m.room.redaction/2`, {})).toMatchObject({ status: 400 })
  })
})
