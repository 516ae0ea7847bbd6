import type { JsonObject } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import type { PushGateway, PushGatewayOutcome } from '../ports/index.ts'
import { type Json, TestNode, TestUser } from './test-node.test-support.ts'

const { pushBackoffMinMs, pushLifetimeMs, pushersPerUserMax } = limits.implementation
const accepted: PushGatewayOutcome = { kind: 'answered', status: 200, body: { rejected: [] } }

class RecordingGateway implements PushGateway {
  readonly allowsInsecure = false
  readonly told: { readonly url: string; readonly notification: Json }[] = []
  answer: (notification: Json) => PushGatewayOutcome | Promise<PushGatewayOutcome> = () => accepted

  async post(url: URL, body: JsonObject): Promise<PushGatewayOutcome> {
    this.told.push({ url: url.href, notification: body['notification'] as Json })
    return this.answer(body['notification'])
  }

  get events(): string[] {
    return this.told.flatMap(({ notification }) => (notification.event_id === undefined ? [] : [notification.event_id]))
  }
}

let world: SimulatedWorld
let node: TestNode
let gateway: RecordingGateway
let alice: TestUser
let bob: TestUser
let room: string

beforeEach(async () => {
  world = new SimulatedWorld(9)
  node = new TestNode(world)
  gateway = new RecordingGateway()
  node.optionalPorts = { pushGateway: gateway }
  await node.start()
  alice = await node.register('alice')
  bob = await node.register('bob')
  room = await alice.createRoom({ preset: 'private_chat', name: 'Garden', invite: [bob.userId] })
  await bob.ok('POST', `/join/${encodeURIComponent(room)}`)
})

afterEach(async () => node[Symbol.asyncDispose]())

const pusher = {
  kind: 'http',
  app_id: 'im.example.app',
  pushkey: 'key',
  app_display_name: 'Example',
  device_display_name: 'Phone',
  lang: 'en',
  data: { url: 'https://push.example/_matrix/push/v1/notify', brand: 'x' },
}

async function setPusher(user: TestUser, changes: object = {}): Promise<void> {
  await user.ok('POST', '/pushers/set', { ...pusher, ...changes })
}

async function listed(user: TestUser): Promise<Json[]> {
  return (await user.ok('GET', '/pushers')).pushers
}

async function until(condition: () => boolean | Promise<boolean>, durationMs = 60_000): Promise<void> {
  await world.runUntil(condition, durationMs, 'the gateway was told')
}

async function read(user: TestUser, eventId: string): Promise<void> {
  await user.ok('POST', `/rooms/${encodeURIComponent(room)}/receipt/m.read/${encodeURIComponent(eventId)}`, {})
}

describe('pushers', () => {
  test('are set, replaced, listed and deleted', async () => {
    await setPusher(bob, { profile_tag: 'work' })
    await setPusher(bob, { lang: 'de' })
    expect(await listed(bob)).toEqual([{ ...pusher, lang: 'de' }])
    await setPusher(bob, { pushkey: 'other' })
    expect(await listed(bob)).toHaveLength(2)
    expect(await listed(alice)).toEqual([])
    await setPusher(alice, { append: true })
    expect([(await listed(alice)).length, (await listed(bob)).length]).toEqual([1, 2])
    await setPusher(alice)
    expect([(await listed(alice)).length, (await listed(bob)).length]).toEqual([1, 1])
    await node.restart()
    expect(await listed(bob)).toEqual([{ ...pusher, pushkey: 'other' }])
    await bob.ok('POST', '/pushers/set', { kind: null, app_id: pusher.app_id, pushkey: 'other' })
    await bob.ok('POST', '/pushers/set', { kind: null, app_id: pusher.app_id, pushkey: 'unknown' })
    expect(await listed(bob)).toEqual([])
  })

  test.each([
    [{ kind: 'email' }, 'M_INVALID_PARAM'],
    [{ lang: undefined, data: undefined }, 'M_MISSING_PARAM'],
    [{ data: {} }, 'M_MISSING_PARAM'],
    [{ data: { url: 'http://push.example/_matrix/push/v1/notify' } }, 'M_INVALID_PARAM'],
    [{ data: { url: 'https://push.example/notify' } }, 'M_INVALID_PARAM'],
    [{ data: { url: 'nonsense' } }, 'M_INVALID_PARAM'],
    [{ data: { ...pusher.data, more: 'x'.repeat(20_000) } }, 'M_INVALID_PARAM'],
    [{ app_id: 'x'.repeat(65) }, 'M_INVALID_PARAM'],
    [{ pushkey: 'ü'.repeat(257) }, 'M_INVALID_PARAM'],
    [{ pushkey: 7 }, 'M_BAD_JSON'],
    [{ kind: undefined }, 'M_BAD_JSON'],
  ])('that are wrong are refused: %j', async (changes, errcode) => {
    const { status, body } = await bob.call('POST', '/pushers/set', { ...pusher, ...changes })
    expect([status, body.errcode]).toEqual([400, errcode])
    expect(await listed(bob)).toEqual([])
  })

  test('are refused when they are many, and where there is no way out', async () => {
    for (let count = 0; count < pushersPerUserMax; count++) await setPusher(bob, { pushkey: `${count}` })
    expect(await bob.call('POST', '/pushers/set', pusher)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
    await setPusher(bob, { pushkey: '0', lang: 'fr' })
    node.optionalPorts = {}
    await node.restart()
    expect((await bob.call('POST', '/pushers/set', pusher)).body.errcode).toBe('M_UNKNOWN')
  })
})

describe('a push gateway', () => {
  test('is told of what the rules notify of, and how loud', async () => {
    await alice.say(room, 'before there was a pusher')
    await setPusher(bob)
    const eventId = await alice.say(room, 'hello bob')
    await bob.say(room, 'nobody is told of what they say themselves')
    await until(() => gateway.events.length === 1)
    expect(gateway.told[0]).toEqual({
      url: pusher.data.url,
      notification: {
        event_id: eventId,
        room_id: room,
        type: 'm.room.message',
        sender: alice.userId,
        sender_display_name: 'alice',
        room_name: 'Garden',
        content: { msgtype: 'm.text', body: 'hello bob' },
        prio: 'high',
        counts: { unread: expect.any(Number) },
        devices: [
          {
            app_id: pusher.app_id,
            pushkey: pusher.pushkey,
            pushkey_ts: Math.floor(world.clock.now() / 1000),
            data: { brand: 'x' },
            tweaks: expect.objectContaining({ sound: 'default' }),
          },
        ],
      },
    })
  })

  test('that wants ids only is told no more', async () => {
    await setPusher(bob, { data: { ...pusher.data, format: 'event_id_only' } })
    const eventId = await alice.say(room, 'secret')
    await until(() => gateway.events.length === 1)
    const { notification } = gateway.told.find(({ notification: { event_id: id } }) => id === eventId) ?? {}
    expect(Object.keys(notification).toSorted()).toEqual(['counts', 'devices', 'event_id', 'prio', 'room_id'])
    expect(notification.devices[0].data).toEqual({ brand: 'x', format: 'event_id_only' })
    expect(JSON.stringify(gateway.told)).not.toMatch(/secret|alice/)
  })

  test('is told the counts when something was read', async () => {
    await setPusher(bob)
    const first = await alice.say(room, 'one')
    const second = await alice.say(room, 'two')
    await until(() => gateway.events.length === 2)
    const counted = gateway.told.at(-1)?.notification.counts.unread
    await read(bob, first)
    await until(() => gateway.told.at(-1)?.notification.counts.unread === counted - 1)
    expect(gateway.told.at(-1)?.notification.event_id).toBeUndefined()
    await read(bob, second)
    await until(() => gateway.told.at(-1)?.notification.counts.unread === undefined)
    expect(gateway.events).toEqual([first, second])
  })

  test('that does not answer is tried again, more and more seldom, in order, and over restarts', async () => {
    let attempts = 0
    gateway.answer = () =>
      ++attempts % 2 === 0 ? { kind: 'unreachable', reason: 'cut' } : { kind: 'answered', status: 502, body: undefined }
    await setPusher(bob)
    const sent = [await alice.say(room, 'one'), await alice.say(room, 'two'), await alice.say(room, 'three')]
    const began = world.clock.now()
    await until(() => gateway.told.length === 5)
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(pushBackoffMinMs * (1 + 2 + 4 + 8))
    expect(new Set(gateway.events)).toEqual(new Set([sent[0]]))
    await node.restart()
    gateway.told.length = 0
    gateway.answer = () => accepted
    await until(() => gateway.events.length === 3)
    expect(gateway.events).toEqual(sent)
  })

  test('is told at least once whatever cannot be stored, and when', async () => {
    await setPusher(bob)
    const sent: string[] = []
    for (let message = 0; message < 8; message++) {
      sent.push(await alice.say(room, `${message}`))
      let commits = 0
      node.storageFault = () => {
        if (++commits === 1 + (message % 4)) throw new Error('injected')
      }
      await world.run(pushBackoffMinMs)
      node.storageFault = undefined
      if (message % 3 === 0) await node.restart()
    }
    await until(() => sent.every((eventId) => gateway.events.includes(eventId)), 10 * limits.implementation.pushRetryMs)
  })

  test('is not told what was read, taken back, or is too old by then', async () => {
    gateway.answer = () => ({ kind: 'unreachable', reason: 'cut' })
    await setPusher(bob)
    const first = await alice.say(room, 'first')
    await until(() => gateway.told.length > 0)
    const path = `/rooms/${encodeURIComponent(room)}/redact`
    const taken = await alice.say(room, 'taken back')
    await alice.ok('PUT', `${path}/${encodeURIComponent(taken)}/1`, {})
    await read(bob, first)
    const last = await alice.say(room, 'last')
    gateway.told.length = 0
    gateway.answer = () => accepted
    await until(() => gateway.events.length > 0)
    await world.run(1_000)
    expect(gateway.events).toEqual([last])
    gateway.answer = () => ({ kind: 'unreachable', reason: 'cut' })
    await alice.say(room, 'old')
    await world.run(pushLifetimeMs + 1)
    gateway.answer = () => accepted
    gateway.told.length = 0
    await setPusher(bob)
    const fresh = await alice.say(room, 'new')
    await until(() => gateway.events.length > 0)
    expect(gateway.events).toEqual([fresh])
  })

  test('ends a pusher by rejecting its key, and no other', async () => {
    await setPusher(bob, { pushkey: 'gone' })
    await setPusher(bob, { pushkey: 'kept' })
    await setPusher(bob, { pushkey: 'gone', app_id: 'another' })
    const rejected: PushGatewayOutcome = { kind: 'answered', status: 200, body: { rejected: ['gone', 'unrelated'] } }
    gateway.answer = ({ devices: [{ app_id: appId }] }) => (appId === pusher.app_id ? rejected : accepted)
    await alice.say(room, 'hello')
    await until(async () => (await listed(bob)).length === 2)
    expect(await listed(bob)).toMatchObject([{ pushkey: 'kept' }, { pushkey: 'gone', app_id: 'another' }])
  })

  test('is told of invites to rooms of other servers, once, while they stand', async () => {
    const away = new TestNode(world)
    await away.start()
    const dora = await away.register('dora')
    await setPusher(bob)
    const pushedTo = async (): Promise<string> => {
      const invited = await world.finish(dora.createRoom({ name: 'Elsewhere', invite: [bob.userId] }))
      await until(() => gateway.told.some(({ notification }) => notification.room_id === invited))
      return invited
    }
    const first = await pushedTo()
    const { notification } = gateway.told.at(-1) ?? {}
    expect(notification).toMatchObject({
      type: 'm.room.member',
      sender: dora.userId,
      room_id: first,
      room_name: 'Elsewhere',
      user_is_target: true,
    })
    gateway.answer = () => ({ kind: 'unreachable', reason: 'cut' })
    const second = await pushedTo()
    gateway.told.length = 0
    await node.restart()
    await world.finish(bob.call('POST', `/rooms/${encodeURIComponent(second)}/leave`, {}))
    gateway.answer = () => accepted
    await pushedTo()
    expect(gateway.told.filter(({ notification: { room_id: id } }) => id === first)).toEqual([])
    await away[Symbol.asyncDispose]()
  })

  test('is not told of users who are ignored', async () => {
    await setPusher(bob)
    await bob.ok('PUT', `/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, {
      ignored_users: { [alice.userId]: {} },
    })
    await alice.say(room, 'hello?')
    await world.run(1_000)
    expect(gateway.events).toEqual([])
    expect(await listed(bob)).toHaveLength(1)
  })

  test('hears nothing of a locked user, and goes on where it was when they are unlocked', async () => {
    await setPusher(bob)
    const lock = async (locked: boolean): Promise<void> =>
      alice.ok('PUT', `/_matrix/client/v1/admin/lock/${encodeURIComponent(bob.userId)}`, { locked })
    await lock(true)
    const missed = await alice.say(room, 'while bob is locked')
    await world.run(10_000)
    expect(gateway.told).toEqual([])
    await lock(false)
    const heard = await alice.say(room, 'welcome back')
    await until(() => gateway.events.length === 2)
    expect(gateway.events).toEqual([missed, heard])
  })

  test('hears nothing more once the device that set it is gone', async () => {
    const carol = await node.register('carol', 'correct horse')
    await alice.ok('POST', `/rooms/${encodeURIComponent(room)}/invite`, { user_id: carol.userId })
    await carol.ok('POST', `/join/${encodeURIComponent(room)}`)
    const identifier = { type: 'm.id.user', user: 'carol' }
    const login = await node.call('POST', '/login', { type: 'm.login.password', identifier, password: 'correct horse' })
    const phone = new TestUser(node, login.body)
    await setPusher(phone)
    expect(await listed(carol)).toHaveLength(1)
    await phone.ok('POST', '/logout', {})
    await alice.say(room, 'hello?')
    await until(async () => (await listed(carol)).length === 0)
    expect(gateway.events).toEqual([])
  })
})
