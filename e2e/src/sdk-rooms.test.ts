import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import {
  Direction,
  EventType,
  type MatrixEvent,
  NotificationCountType,
  Preset,
  PushRuleActionName,
  PushRuleKind,
  ReceiptType,
  RelationType,
  type Room,
  RoomMemberEvent,
  RoomType,
  ThreadFilterType,
  UserEvent,
} from 'matrix-js-sdk'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createServer, type Server } from './headless-constellation.ts'
import { registerSdkAccount, type SdkAccount } from './sdk-account.ts'
import { enterTogether } from './sdk-chats.ts'

let directory: string
let server: Server
let alice: SdkAccount
let bob: SdkAccount

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kith-sdk-'))
  server = await createServer(join(directory, 'server'), [])
  await server.start()
  alice = await registerSdkAccount(server.baseUrl, 'alice', { threadSupport: true })
  bob = await registerSdkAccount(server.baseUrl, 'bob', { threadSupport: true })
})

afterAll(async () => {
  alice?.stop()
  bob?.stop()
  await server?.process.end('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

async function sharedRoom(name: string): Promise<string> {
  return enterTogether(alice, bob, { name, preset: Preset.PrivateChat })
}

function roomOf(account: SdkAccount, roomId: string): Room {
  const room = account.client.getRoom(roomId)
  if (room === null) throw new Error(`${account.userId} does not know the room`)
  return room
}

async function send(account: SdkAccount, roomId: string, content: object, type = 'm.room.message'): Promise<string> {
  return (await account.client.sendEvent(roomId, type as never, content as never)).event_id
}

async function say(account: SdkAccount, roomId: string, body: string, relation?: object): Promise<string> {
  return send(account, roomId, { msgtype: 'm.text', body, ...(relation === undefined ? {} : { 'm.relates_to': relation }) })
}

async function seen(account: SdkAccount, roomId: string, eventId: string): Promise<MatrixEvent> {
  return eventually(`${account.userId} sees ${eventId}`, PATIENCE_MS, () => roomOf(account, roomId).findEventById(eventId))
}

test('threads have their own lists, counts and receipts', async () => {
  const roomId = await sharedRoom('threads')
  const root = await say(alice, roomId, 'the root')
  await seen(bob, roomId, root)
  // What a client does when somebody opens a thread.
  const threadOfAlice = roomOf(alice, roomId).createThread(root, await seen(alice, roomId, root), [], false)
  const inThread = { rel_type: RelationType.Thread, event_id: root }
  const replies = [await say(alice, roomId, 'first', inThread), await say(alice, roomId, 'second', inThread)]
  const thread = await eventually('bob has the thread', PATIENCE_MS, () => {
    const found = roomOf(bob, roomId).getThread(root)
    return found?.length === 2 ? found : undefined
  })
  expect(thread.replyToEvent?.getId()).toBe(replies[1])
  await eventually('bob has two unread in the thread', PATIENCE_MS, () => roomOf(bob, roomId).getThreadUnreadNotificationCount(root) === 2)
  const count = (): number | undefined => roomOf(bob, roomId).getThreadUnreadNotificationCount(root, NotificationCountType.Total)
  await bob.client.sendReadReceipt(await eventually('the last reply', PATIENCE_MS, () => thread.findEventById(replies[1] ?? '')))
  await eventually('the thread is read', PATIENCE_MS, () => count() === 0)
  await eventually('alice sees bob in the thread', PATIENCE_MS, () => threadOfAlice.getEventReadUpTo(bob.userId) === replies[1])
  // Of the room's own timeline bob read nothing yet.
  expect(roomOf(alice, roomId).hasUserReadEvent(bob.userId, root)).toBe(false)

  const other = await say(bob, roomId, 'a root without alice')
  await say(bob, roomId, 'reply of bob', { rel_type: RelationType.Thread, event_id: other })
  const listed = async (filter: ThreadFilterType): Promise<(string | undefined)[]> => {
    const page = await alice.client.createThreadListMessagesRequest(roomId, null, 10, Direction.Backward, filter)
    return page.chunk.map((event) => event.event_id)
  }
  // The client turns the list round: the latest one is the last.
  expect(await listed(ThreadFilterType.All)).toEqual([root, other])
  expect(await listed(ThreadFilterType.My)).toEqual([root])
  const { events } = await bob.client.relations(roomId, root, RelationType.Thread, EventType.RoomMessage)
  expect(events.map((event) => event.getId())).toEqual(replies.toReversed())
})

test('edits, replies, reactions and redactions reach others, and reactions count once', async () => {
  const roomId = await sharedRoom('relations')
  const original = await say(alice, roomId, 'teh message')
  const onBob = await seen(bob, roomId, original)
  await send(alice, roomId, {
    msgtype: 'm.text',
    body: '* the message',
    'm.new_content': { msgtype: 'm.text', body: 'the message' },
    'm.relates_to': { rel_type: RelationType.Replace, event_id: original },
  })
  await eventually('bob sees the edit', PATIENCE_MS, () => onBob.getContent()['body'] === 'the message')
  const reply = await say(bob, roomId, 'a reply', { 'm.in_reply_to': { event_id: original } })
  expect((await seen(alice, roomId, reply)).replyEventId).toBe(original)

  const thumb = { 'm.relates_to': { rel_type: RelationType.Annotation, event_id: original, key: '👍' } }
  const reaction = await send(bob, roomId, thumb, EventType.Reaction)
  await expect(send(bob, roomId, thumb, EventType.Reaction)).rejects.toMatchObject({ errcode: 'M_DUPLICATE_ANNOTATION' })
  await send(alice, roomId, thumb, EventType.Reaction)
  const reactions = (): number =>
    roomOf(alice, roomId).relations.getChildEventsForEvent(original, RelationType.Annotation, EventType.Reaction)?.getRelations().length ??
    0
  await eventually('alice counts two', PATIENCE_MS, () => reactions() === 2)
  await bob.client.redactEvent(roomId, reaction)
  await eventually('alice counts one', PATIENCE_MS, () => reactions() === 1)
  await alice.client.redactEvent(roomId, original, undefined, { reason: 'said too much' })
  await eventually('the message is gone for bob', PATIENCE_MS, () => onBob.isRedacted())
  expect((await bob.client.fetchRoomEvent(roomId, original)).content).toEqual({})
})

test('media is up- and downloaded and made smaller, for who is logged in', async () => {
  const photo = await sharp({ create: { width: 1200, height: 600, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const file = new Blob([new Uint8Array(photo)], { type: 'image/png' })
  const { content_uri: uri } = await alice.client.uploadContent(file, { name: 'sea.png', type: 'image/png' })
  const download = bob.client.mxcUrlToHttp(uri, undefined, undefined, undefined, false, true, true) ?? ''
  const thumbnail = bob.client.mxcUrlToHttp(uri, 200, 200, 'scale', false, true, true) ?? ''
  const headers = { authorization: `Bearer ${bob.client.getAccessToken()}` }
  const whole = await fetch(download, { headers })
  expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'image/png'])
  expect(whole.headers.get('content-disposition')).toContain('sea.png')
  expect(Buffer.from(await whole.arrayBuffer())).toEqual(photo)
  const small = await fetch(thumbnail, { headers })
  expect((await sharp(Buffer.from(await small.arrayBuffer())).metadata()).width).toBeLessThanOrEqual(640)
  expect((await fetch(download)).status).toBe(401)
  expect((await alice.client.getMediaConfig(true))['m.upload.size']).toBeGreaterThan(0)
})

test('receipts, typing, presence, the fully-read marker', async () => {
  const roomId = await sharedRoom('ephemeral')
  const [first, second] = [await say(alice, roomId, 'one'), await say(alice, roomId, 'two')]
  const [one, two] = [await seen(bob, roomId, first), await seen(bob, roomId, second)]
  const unread = (): number => roomOf(bob, roomId).getUnreadNotificationCount()
  await eventually('two are unread', PATIENCE_MS, () => unread() === 2)
  await bob.client.sendReadReceipt(one)
  await eventually('alice sees what bob read', PATIENCE_MS, () => roomOf(alice, roomId).getEventReadUpTo(bob.userId) === first)
  await bob.client.sendReadReceipt(two, ReceiptType.ReadPrivate)
  await eventually('nothing is unread', PATIENCE_MS, () => unread() === 0)
  await bob.client.setRoomReadMarkers(roomId, second)
  await eventually(
    'the marker arrives',
    PATIENCE_MS,
    () => roomOf(bob, roomId).getAccountData('m.fully_read')?.getContent()['event_id'] === second,
  )

  const typing = new Promise<string>((resolve) => alice.client.once(RoomMemberEvent.Typing, (_event, member) => resolve(member.userId)))
  await bob.client.sendTyping(roomId, true, 30_000)
  expect(await typing).toBe(bob.userId)
  const status = new Promise<string | undefined>((resolve) => {
    alice.client.on(UserEvent.Presence, (_event, user) => {
      if (user.userId === bob.userId && user.presenceStatusMsg !== undefined) resolve(user.presenceStatusMsg)
    })
  })
  await bob.client.setPresence({ presence: 'unavailable', status_msg: 'at lunch' })
  expect(await status).toBe('at lunch')
  // By now alice would have heard of a private receipt.
  expect(roomOf(alice, roomId).getEventReadUpTo(bob.userId)).toBe(first)
})

test('search, the user directory, ignored users and push rules', async () => {
  const roomId = await sharedRoom('finding')
  const wanted = await say(bob, roomId, 'a walk along the aqueduct')
  await seen(alice, roomId, wanted)
  await eventually('the message is found', PATIENCE_MS, async () => {
    const { results } = await alice.client.searchRoomEvents({ term: 'aqueduct', filter: { rooms: [roomId] } })
    return results.some((result) => result.context.getEvent().getId() === wanted)
  })
  await bob.client.setDisplayName('Roberta of the hills')
  await eventually('bob is in the directory', PATIENCE_MS, async () => {
    const { results } = await alice.client.searchUserDirectory({ term: 'roberta' })
    return results.some((user) => user.user_id === bob.userId && user.display_name === 'Roberta of the hills')
  })

  await alice.client.addPushRule('global', PushRuleKind.ContentSpecific, 'harbour', {
    pattern: 'harbour',
    actions: [PushRuleActionName.Notify, { set_tweak: 'highlight' } as never],
  })
  await say(bob, roomId, 'see you at the harbour')
  const highlights = (): number => roomOf(alice, roomId).getUnreadNotificationCount(NotificationCountType.Highlight)
  await eventually('the word is a highlight', PATIENCE_MS, () => highlights() === 1)
  await alice.client.setPushRuleEnabled('global', PushRuleKind.ContentSpecific, 'harbour', false)
  const quiet = await say(bob, roomId, 'the harbour again')
  await seen(alice, roomId, quiet)
  expect(highlights()).toBe(1)
  await alice.client.deletePushRule('global', PushRuleKind.ContentSpecific, 'harbour')
  await eventually(
    'the rule is gone',
    PATIENCE_MS,
    () => !alice.client.pushRules?.global.content?.some((rule) => rule.rule_id === 'harbour'),
  )
  await alice.client.setRoomMutePushRule('global', roomId, true)

  await alice.client.setIgnoredUsers([bob.userId])
  await eventually('alice ignores bob', PATIENCE_MS, () => alice.client.isUserIgnored(bob.userId))
  const unheard = await say(bob, roomId, 'can you hear me')
  const own = await say(alice, roomId, 'a quiet evening')
  await seen(alice, roomId, own)
  expect(roomOf(alice, roomId).findEventById(unheard)).toBeUndefined()
  await alice.client.setIgnoredUsers([])
})

test('a space shows its rooms, and a room is replaced by its successor', async () => {
  const roomId = await sharedRoom('the old room')
  const { room_id: spaceId } = await alice.client.createRoom({
    name: 'a space',
    creation_content: { type: RoomType.Space },
    invite: [bob.userId],
  })
  const via = [alice.userId.slice(alice.userId.indexOf(':') + 1)]
  await alice.client.sendStateEvent(spaceId, EventType.SpaceChild, { via, suggested: true }, roomId)
  await bob.client.joinRoom(spaceId)
  const { rooms } = await bob.client.getRoomHierarchy(spaceId)
  expect(rooms.map((room) => [room.room_id, room.name, room.children_state.map((child) => child.state_key)])).toEqual([
    [spaceId, 'a space', [roomId]],
    [roomId, 'the old room', []],
  ])

  const { replacement_room: successor } = await alice.client.upgradeRoom(roomId, '12')
  const tombstone = await eventually(
    'bob sees the tombstone',
    PATIENCE_MS,
    () => roomOf(bob, roomId).currentState.getStateEvents('m.room.tombstone', '') ?? undefined,
  )
  expect(tombstone.getContent()['replacement_room']).toBe(successor)
  await alice.client.invite(successor, bob.userId)
  await bob.client.joinRoom(successor)
  const there = await eventually('bob is there', PATIENCE_MS, () => bob.client.getRoom(successor) ?? undefined)
  await eventually('the name came along', PATIENCE_MS, () => there.name === 'the old room')
  expect(there.findPredecessor()?.roomId).toBe(roomId)
  await expect(say(bob, roomId, 'is anybody here')).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
})
