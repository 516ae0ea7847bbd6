import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { limits } from '../limits.ts'
import { SharedRoom } from '../client-api/shared-room.test-support.ts'
import type { Json, TestNode, TestUser } from '../client-api/test-node.test-support.ts'

let room: SharedRoom
let node: TestNode
let alice: TestUser
let bob: TestUser
let roomId: string
let path: string

beforeEach(async () => {
  room = await SharedRoom.open()
  ;({ node, alice, bob, roomId, path } = room)
})

afterEach(async () => room[Symbol.asyncDispose]())

async function say(text: string, more: object = {}, user = alice): Promise<string> {
  const content = { msgtype: 'm.text', body: text, ...more }
  return (await user.ok('PUT', `${path}/send/m.room.message/t${Math.random()}`, content)).event_id
}

function inThread(root: string): object {
  return { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
}

const perThread = JSON.stringify({ room: { timeline: { unread_thread_notifications: true } } })

/** Of the whole room, of the main timeline, and by thread. */
async function counts(user = bob): Promise<{ all: number; main: number; threads: Record<string, number> }> {
  const { join: all } = (await user.sync()).rooms
  const { join: apart } = (await user.sync(undefined, { filter: perThread })).rooms
  const threads = apart[roomId].unread_thread_notifications ?? {}
  return {
    all: all[roomId].unread_notifications.notification_count,
    main: apart[roomId].unread_notifications.notification_count,
    threads: Object.fromEntries(Object.entries<Json>(threads).map(([root, unread]) => [root, unread.notification_count])),
  }
}

async function read(eventId: string, threadId?: string, type = 'm.read'): Promise<void> {
  await bob.ok('POST', `${path}/receipt/${type}/${eventId}`, threadId === undefined ? {} : { thread_id: threadId })
}

describe('counts', () => {
  test('threads are counted apart, and read apart', async () => {
    const root = await say('root')
    const first = await say('one', inThread(root))
    const edited = { 'm.relates_to': { rel_type: 'm.annotation', event_id: first, key: 'x' } }
    await say('about one', edited)
    const last = await say('main')
    expect(await counts()).toEqual({ all: 4, main: 2, threads: { [root]: 2 } })
    await read(last, 'main')
    expect(await counts()).toEqual({ all: 2, main: 0, threads: { [root]: 2 } })
    await read(first, root)
    expect(await counts()).toEqual({ all: 1, main: 0, threads: { [root]: 1 } })
    const more = await say('two', inThread(root))
    await read(more)
    expect(await counts()).toEqual({ all: 0, main: 0, threads: {} })
  })

  test('the receipt that is ahead counts, also after one that is behind', async () => {
    const ids = [await say('one'), await say('two'), await say('three')]
    await read(ids[1]!, undefined, 'm.read.private')
    await read(ids[0]!)
    expect((await counts()).all).toBe(1)
    await read(ids[0]!, undefined, 'm.read.private')
    expect((await counts()).all).toBe(1)
    await read(ids[2]!)
    expect((await counts()).all).toBe(0)
    await node.restart()
    expect((await counts()).all).toBe(0)
  })

  test('whoever writes has read what is there, in that thread', async () => {
    const root = await say('root')
    await say('in the thread', inThread(root))
    await say('me too', {}, bob)
    expect(await counts()).toEqual({ all: 1, main: 0, threads: { [root]: 1 } })
    expect(await counts(alice)).toEqual({ all: 1, main: 1, threads: {} })
  })

  test('what was taken back before it was looked at says nothing of what its writer has read', async () => {
    const root = await say('root')
    expect((await counts()).main).toBe(1)
    let commits = 0
    node.storageFault = () => {
      // That of the message, and that of what was found out of it, which is tried again at the next change.
      if (++commits === 2) throw new Error('the disk is full for a moment')
    }
    const taken = await say('in the thread', inThread(root), bob)
    await vi.waitFor(() => expect(commits).toBe(2), 60_000)
    await alice.ok('PUT', `${path}/redact/${taken}/r1`, {})
    expect(await counts()).toEqual({ all: 1, main: 1, threads: {} })
  })

  test('a reaction to what was taken back says nothing of what its writer has read, and is read in whatever thread its reader means', async () => {
    const root = await say('root')
    const taken = await say('in the thread', inThread(root))
    await alice.ok('PUT', `${path}/redact/${taken}/r1`, {})
    const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: taken, key: 'x' } }
    const { event_id: reaction } = await bob.ok('PUT', `${path}/send/m.reaction/r2`, content)
    expect((await counts()).main).toBe(1)
    for (const eventId of [taken, reaction]) await read(eventId, root)
    expect((await counts()).main).toBe(1)
    await read(reaction, 'main')
    expect((await counts()).main).toBe(0)
  })

  test('nothing is unread that was taken back, or that came before one left', async () => {
    const wrong = await say('wrong')
    await say('right')
    await alice.ok('PUT', `${path}/redact/${wrong}/r1`, {})
    expect((await counts()).all).toBe(1)
    await bob.ok('POST', `${path}/leave`)
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    expect((await counts()).all).toBe(0)
  })

  test('those who are ignored are not counted, and are counted again when they no longer are', async () => {
    await say('hello')
    const list = `/user/${bob.userId}/account_data/m.ignored_user_list`
    await bob.ok('PUT', list, { ignored_users: { [alice.userId]: {} } })
    expect((await counts()).all).toBe(0)
    await bob.ok('PUT', list, { ignored_users: {} })
    expect((await counts()).all).toBe(1)
  })

  test('a change of counts is told although the receipt is filtered away, and to nobody else', async () => {
    const last = await say('hello')
    const filter = JSON.stringify({ room: { ephemeral: { types: [] } } })
    const since = [(await bob.sync()).next_batch, (await alice.sync()).next_batch] as const
    await read(last, undefined, 'm.read.private')
    const { join } = (await bob.sync(since[0], { filter })).rooms
    expect(join[roomId]).toMatchObject({ unread_notifications: { notification_count: 0 }, ephemeral: { events: [] } })
    expect((await alice.sync(since[1])).rooms.join).toEqual({})
  })

  test('whichever commit fails, no unread event is lost or counted twice, also after a restart', async () => {
    let commits = 0
    let failAt = 0
    node.storageFault = () => {
      if (++commits === failAt) throw new Error('the disk is gone')
    }
    let unread = 0
    let failed = 0
    for (let round = 0; round < 40; round++) {
      // The commit of the event, that of the notification, and those after it.
      failAt = commits + 1 + (round % 4)
      const { status } = await alice.call('PUT', `${path}/send/m.room.message/f${round}`, { msgtype: 'm.text', body: 'hello' })
      if (status === 200) unread++
      if (round % 3 === 0) await node.restart()
      expect((await counts()).all).toBe(unread)
      if (commits >= failAt) failed++
    }
    expect([unread > 20, failed > 10]).toEqual([true, true])
  })

  test('a full disk costs counts, not the sync', async () => {
    await say('hello')
    await counts()
    node.storageFault = undefined
    const { next_batch: since } = await bob.sync()
    let failing = false
    node.storageFault = () => {
      if (failing) throw new Error('the disk is gone')
    }
    await say('more')
    failing = true
    expect((await bob.sync(since)).rooms.join[roomId].timeline.events).toHaveLength(1)
    failing = false
    await say('and more')
    expect((await counts()).all).toBe(3)
  })
})

describe('receipts', () => {
  test.each([
    ['empty', ''],
    ['no string', 5],
    ['null', null],
    ['no event and not main', 'else'],
  ])('a thread that is %s is refused', async (_name, threadId) => {
    const eventId = await say('hello')
    const answer = await bob.call('POST', `${path}/receipt/m.read/${eventId}`, { thread_id: threadId })
    expect(answer).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })

  test('the event must be in the thread, and what is fully read is so in all threads', async () => {
    const root = await say('root')
    const reply = await say('reply', inThread(root))
    const status = async (type: string, eventId: string, threadId: string) =>
      (await bob.call('POST', `${path}/receipt/${type}/${eventId}`, { thread_id: threadId })).status
    expect(await status('m.read', reply, 'main')).toBe(400)
    expect(await status('m.read', await say('main'), root)).toBe(400)
    expect(await status('m.fully_read', reply, root)).toBe(400)
    expect([await status('m.read', reply, root), await status('m.read', root, root)]).toEqual([200, 200])
  })

  test('receipts of one user for several threads on one event all come', async () => {
    const root = await say('root')
    const { next_batch: since } = await alice.sync()
    await read(root, root)
    await read(root, 'main')
    await read(root)
    const { events } = (await alice.sync(since)).rooms.join[roomId].ephemeral
    const threads = events.map((event: Json) => event.content[root]['m.read'][bob.userId].thread_id)
    expect(new Set(threads)).toEqual(new Set([root, 'main', undefined]))
  })
})

describe('GET /notifications', () => {
  async function page(query = ''): Promise<Json> {
    return bob.ok('GET', `/notifications${query}`)
  }
  const texts = (answer: Json) => answer.notifications.map((notification: Json) => notification.event.content.body)

  test('pages from the newest on, with what rules said and whether it was read', async () => {
    for (let index = 0; index < 4; index++) await say(`${index}`)
    const last = await say('hey', { 'm.mentions': { user_ids: [bob.userId] } })
    const first = await page('?limit=2')
    expect(texts(first)).toEqual(['hey', '3'])
    expect(first.notifications[0]).toMatchObject({
      actions: ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight' }],
      room_id: roomId,
      read: false,
      ts: expect.any(Number),
    })
    const second = await page(`?limit=10&from=${first.next_token}`)
    expect(texts(second)).toEqual(['2', '1', '0'])
    expect(second.next_token).toBeUndefined()
    expect(texts(await page('?only=highlight'))).toEqual(['hey'])
    await read(last)
    await node.restart()
    expect((await page()).notifications.map((notification: Json) => notification.read)).toEqual([true, true, true, true, true])
    expect(await bob.call('GET', '/notifications?from=x')).toMatchObject({ status: 400 })
  })

  test('an invite is one; what its sender is ignored for, or takes back, is none', async () => {
    const other = await alice.createRoom({ invite: [bob.userId] })
    const [invite] = (await page()).notifications
    expect(invite).toMatchObject({ room_id: other, event: { type: 'm.room.member', state_key: bob.userId } })
    const wrong = await say('wrong')
    await alice.ok('PUT', `${path}/redact/${wrong}/r1`, {})
    expect((await page()).notifications).toHaveLength(1)
    await bob.ok('PUT', `/user/${bob.userId}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } })
    expect((await page()).notifications).toEqual([])
  })
})

describe('/pushrules', () => {
  const rules = '/pushrules/global/override'
  const names = async () => (await bob.ok('GET', '/pushrules/global/')).override.map((rule: Json) => rule.rule_id)
  const put = async (name: string, query = '', more: object = {}) =>
    bob.call('PUT', `${rules}/${encodeURIComponent(name)}${query}`, { actions: [], ...more })

  test('rules are placed above all, or beside another of the user', async () => {
    for (const name of ['a', 'b']) await put(name)
    await put('c', '?after=b')
    await put('d', '?before=b')
    await put('e', '?before=a&after=d')
    expect((await names()).slice(0, 6)).toEqual(['.m.rule.master', 'd', 'b', 'c', 'e', 'a'])
    // A rule that is only changed stays where it is, and as enabled as it was.
    await bob.ok('PUT', `${rules}/c/enabled`, { enabled: false })
    await put('c', '', { actions: ['notify'] })
    expect((await names()).slice(0, 6)).toEqual(['.m.rule.master', 'd', 'b', 'c', 'e', 'a'])
    expect(await bob.ok('GET', `${rules}/c`)).toMatchObject({ enabled: false, actions: ['notify'], default: false })
    for (const query of ['?before=nobody', '?after=.m.rule.reaction'])
      expect(await put('f', query)).toMatchObject({ status: 400, body: { errcode: 'M_UNKNOWN' } })
  })

  test('names that are reserved or no names, and rules that do not exist', async () => {
    for (const name of ['.m.rule.mine', 'a/b', 'a\\b']) expect((await put(name)).status).toBe(400)
    for (const [method, tail, body] of [
      ['GET', '', undefined],
      ['DELETE', '', undefined],
      ['GET', '/enabled', undefined],
      ['PUT', '/enabled', { enabled: true }],
      ['GET', '/actions', undefined],
      ['PUT', '/actions', { actions: [] }],
    ] as const)
      expect(await bob.call(method, `${rules}/nothing${tail}`, body)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
    expect((await bob.call('DELETE', `${rules}/.m.rule.reaction`)).status).toBe(400)
    expect((await bob.call('GET', '/pushrules/global/nokind/x')).status).toBe(400)
  })

  test('a rule is bounded, and so is what all of them come to', async () => {
    const tooLarge = { status: 413, body: { errcode: 'M_TOO_LARGE' } }
    const { pushRuleBytesMax, pushRuleKeyCharactersMax: keyMax, accountDataBytesMax } = limits.implementation
    const tweak = (length: number) => ({ actions: [{ set_tweak: 'sound', value: 'x'.repeat(length) }] })
    expect(await put('a', '', tweak(pushRuleBytesMax))).toMatchObject(tooLarge)
    await put('a')
    expect(await bob.call('PUT', `${rules}/a/actions`, tweak(pushRuleBytesMax))).toMatchObject(tooLarge)
    const keyed = (length: number) => ({ conditions: [{ kind: 'event_match', key: 'k'.repeat(length), pattern: '*' }] })
    expect(await put('a', '', keyed(keyMax + 1))).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    expect(await put('a', '', keyed(keyMax))).toMatchObject({ status: 200 })
    const size = pushRuleBytesMax - 1_000
    const held = Math.floor(accountDataBytesMax / pushRuleBytesMax)
    for (let count = 0; count < held; count++) expect(await put(`of ${count}`, '', tweak(size))).toMatchObject({ status: 200 })
    for (let count = 0; count < 4; count++) await put(`more ${count}`, '', tweak(size))
    expect(await put('one more', '', tweak(size))).toMatchObject(tooLarge)
    await bob.ok('DELETE', `${rules}/${encodeURIComponent('of 0')}`)
    expect(await put('one more', '', tweak(size))).toMatchObject({ status: 200 })
  })

  test('what a rule says decides the counts from then on', async () => {
    await say('one')
    await bob.ok('PUT', `/pushrules/global/room/${encodeURIComponent(roomId)}`, { actions: [] })
    await say('two')
    expect((await counts()).all).toBe(1)
  })
})
