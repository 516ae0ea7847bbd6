import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { settleMicrotasks } from '@kith/testkit/virtual-clock'
import { expect, test } from 'vitest'
import type { Ephemeral } from '../ephemeral/index.ts'
import type { Rooms } from '../rooms/index.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { Timeline, type TimelineRow } from '../timeline/index.ts'
import { StreamWatch } from './stream-watch.ts'

const users = Array.from({ length: 200 }, (_, index) => `@user${index}:here.example` as UserId)
const [alice, bob, carol] = users as [UserId, UserId, UserId]
const shared = '!shared' as RoomId

/** A stream beside a room of Alice and Bob, and how often somebody reads the stream. */
async function start() {
  const storage = openMemoryStorage({ disk: new MemoryDisk(), tableNames: homeserverTableNames })
  const timeline = await Timeline.open(storage)
  let reads = 0
  const members = new Set<UserId>([alice, bob])
  const state = {
    get: (_type: string, userId: UserId) => (members.has(userId) ? { pdu: { content: { membership: 'join' } } } : undefined),
    membershipOf: (userId: UserId) => (members.has(userId) ? 'join' : undefined),
    joinedUsersOf: () => members,
  }
  const rooms = { state: (roomId: RoomId) => (roomId === shared ? state : undefined), roomIds: () => [shared] }
  const present: UserId[] = []
  const ephemeral = { typing: { roomsChangedAfter: () => [] }, presence: { changedAfter: () => present } }
  const counted = new Proxy(timeline, {
    get: (target, name) => {
      if (name === 'between') reads++
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  const watch = new StreamWatch({
    timeline: counted,
    rooms: rooms as unknown as Rooms,
    ephemeral: ephemeral as unknown as Ephemeral,
  })
  const append = async (row: TimelineRow): Promise<void> => {
    await timeline.commit((transaction) => transaction.append(row))
    await settleMicrotasks()
  }
  return { timeline, watch, append, present, readsSoFar: () => reads }
}

/** Waits in the name of users; tells who was woken. */
function waitAs(watch: StreamWatch, position: number, signal: AbortSignal, waiting: readonly UserId[]): Set<UserId> {
  const woken = new Set<UserId>()
  for (const userId of waiting)
    void watch.concerning(userId, position, signal).then(
      () => woken.add(userId),
      () => undefined,
    )
  return woken
}

test.each<[string, TimelineRow, UserId[]]>([
  ['an event', { kind: 'room-event', roomId: shared, eventId: '$e' as EventId }, [alice, bob]],
  ['a receipt', { kind: 'receipt', roomId: shared, userId: alice }, [alice, bob]],
  ['a private receipt', { kind: 'receipt', roomId: shared, userId: alice, isPrivate: true }, [alice]],
  ['account data', { kind: 'account-data', userId: carol, type: 'x.y' }, [carol]],
  ['a message to a device', { kind: 'to-device', userId: bob, deviceId: 'D' }, [bob]],
  ['keys', { kind: 'device-list', userId: alice }, [alice, bob]],
  ['an event of elsewhere', { kind: 'room-event', roomId: '!other' as RoomId, eventId: '$e' as EventId }, []],
])('%s wakes those whom it concerns, and is read once for all who wait', async (_name, row, expected) => {
  const { timeline, watch, append, readsSoFar } = await start()
  const end = new AbortController()
  const woken = waitAs(watch, timeline.position, end.signal, users)
  const before = readsSoFar()
  await append(row)
  expect([...woken]).toEqual(expected)
  expect(readsSoFar() - before).toBe(1)
  end.abort()
})

test('who is there is news for those who share a room, and not for themselves', async () => {
  const { timeline, watch, present } = await start()
  const end = new AbortController()
  const woken = waitAs(watch, timeline.position, end.signal, [alice, bob, carol])
  present.push(alice)
  await timeline.tick()
  await settleMicrotasks()
  expect([...woken]).toEqual([bob])
  end.abort()
})

test('whoever comes late looks at what they missed, and learns how far nothing was theirs', async () => {
  const { timeline, watch, append } = await start()
  await append({ kind: 'account-data', userId: alice, type: 'x.y' })
  await append({ kind: 'account-data', userId: bob, type: 'x.y' })
  await watch.concerning(bob, 0, new AbortController().signal)
  let quietUpTo = 0
  const end = new AbortController()
  const waiting = watch.concerning(carol, 0, end.signal, (upTo) => (quietUpTo = upTo)).catch(() => 'ended')
  await append({ kind: 'account-data', userId: alice, type: 'x.y' })
  expect(quietUpTo).toBe(timeline.position)
  end.abort()
  expect(await waiting).toBe('ended')
})
