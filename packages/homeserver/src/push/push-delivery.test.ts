import { type EventId, makeUserId, type RoomId, type UserId } from '@kith/matrix-protocol'
import { openMemoryStorage } from '@kith/storage/memory'
import { silentLog } from '@kith/testkit/silent-log'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { expect, test } from 'vitest'
import type { PushGatewayOutcome } from '../ports/index.ts'
import { WriteBatch } from '../ports/storage.ts'
import type { StoredInvite } from '../rooms/index.ts'
import { WatchedNumber } from '../watched-number.ts'
import { defaultPushRules } from './default-rules.ts'
import { notificationTables } from './notification-tables.ts'
import { PushDelivery } from './push-delivery.ts'
import { Pushers } from './pushers.ts'

const world = new SimulatedWorld(1)
const { server } = world.createIdentity()
const bob = makeUserId('bob', server)
const sender = '@alice:elsewhere.example' as UserId
const pusher = { userId: bob, appId: 'a', pushkey: 'k', deviceId: 'd', appDisplayName: '', deviceDisplayName: '', lang: '', setAt: 0 }

function inviteAt(position: number): StoredInvite {
  const event = { type: 'm.room.member', state_key: bob, sender, content: { membership: 'invite' }, origin_server_ts: position }
  const roomId = `!${position}:elsewhere.example` as RoomId
  return { roomId, userId: bob, version: '11', event: event as never, strippedState: [], position }
}

/** A pusher over a stream of which the test says how far it goes, and how far it was looked through. */
async function setting(answer: (roomId: string) => PushGatewayOutcome | Promise<PushGatewayOutcome> = () => taken) {
  const storage = openMemoryStorage()
  const stream = new WatchedNumber(1)
  const looked = { position: 1, reach: async () => undefined }
  const invites = new Map<RoomId, StoredInvite>()
  const told: string[] = []
  const pushers = await Pushers.open(storage)
  await pushers.set({ ...pusher, data: { url: 'https://push.example/_matrix/push/v1/notify' } }, true, 1)
  const rooms = {
    invites: () => [...invites.values()],
    invite: (roomId: RoomId) => invites.get(roomId),
    event: async (eventId: EventId) => ({ roomId: '!held', eventId, pdu: { type: 'm.room.message', sender, content: {} } }),
    state: () => undefined,
  }
  const delivery = new PushDelivery({
    storage,
    clock: world.clock,
    log: silentLog,
    pushers,
    rooms: rooms as never,
    notifications: looked,
    timeline: {
      get position() {
        return stream.value
      },
      changed: async (position: number, signal: AbortSignal) => stream.beyond(position, signal),
    } as never,
    pushRules: { get: async () => defaultPushRules(bob) },
    gateway: {
      allowsInsecure: false,
      post: async (_url, { notification }) => {
        const roomId = (notification as { readonly room_id?: string }).room_id
        if (roomId !== undefined) told.push(roomId)
        return answer(roomId ?? '')
      },
    },
    hasDevice: () => true,
    mayHear: () => true,
    ignoredUsers: { of: async () => new Set() },
  })
  return { storage, stream, looked, invites, told, delivery }
}

const taken: PushGatewayOutcome = { kind: 'answered', status: 200, body: {} }

test('an invite does not overtake what has not been judged yet', async () => {
  const { storage, stream, looked, invites, told, delivery } = await setting()
  await using _stopped = delivery
  invites.set(inviteAt(7).roomId, inviteAt(7))
  looked.position = 5
  stream.growTo(7)
  await world.run(1_000)
  expect(told).toEqual([])
  const row = {
    roomId: '!held' as RoomId,
    eventId: '$6' as EventId,
    sender,
    actions: ['notify'],
    highlight: false,
    timestamp: world.clock.now(),
  }
  const unread = { eventId: row.eventId, sender, thread: 'main', highlight: false }
  const batch = new WriteBatch()
  batch.put(notificationTables.notifications, [bob, 6], row).put(notificationTables.unread, [bob, row.roomId, 6], unread)
  await storage.commit(batch.writes)
  looked.position = 8
  stream.growTo(8)
  await world.run(1_000)
  expect(told).toEqual(['!held', inviteAt(7).roomId])
})

test('an invite that goes while another is told is not told', async () => {
  const { promise, resolve } = Promise.withResolvers<PushGatewayOutcome>()
  const { stream, looked, invites, told, delivery } = await setting(async () => promise)
  await using _stopped = delivery
  for (const position of [3, 4]) invites.set(inviteAt(position).roomId, inviteAt(position))
  looked.position = 4
  stream.growTo(4)
  await world.run(1_000)
  expect(told).toEqual([inviteAt(3).roomId])
  invites.delete(inviteAt(4).roomId)
  resolve(taken)
  await world.run(1_000)
  expect(told).toEqual([inviteAt(3).roomId])
})
