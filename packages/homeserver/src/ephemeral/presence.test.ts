import type { ServerName, UserId } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { homeserverTableNames } from '../storage-schema.ts'
import { Timeline } from '../timeline/index.ts'
import { Presence } from './presence.ts'

const origin = 'other.example' as ServerName
const bob = `@bob:${origin}` as UserId

async function start(): Promise<{ clock: VirtualClock; presence: Presence; timeline: Timeline }> {
  const clock = new VirtualClock()
  const timeline = await Timeline.open(openMemoryStorage({ disk: new MemoryDisk(), tableNames: homeserverTableNames }))
  return { clock, timeline, presence: new Presence(clock, timeline) }
}

test('a server speaks for its own users only, and only for those that are known', async () => {
  const { presence } = await start()
  const push = [
    { user_id: bob, presence: 'online', currently_active: true, last_active_ago: 5 },
    { user_id: '@eve:elsewhere.example', presence: 'online' },
    { user_id: `@unknown:${origin}`, presence: 'online' },
    { user_id: `@odd:${origin}`, presence: 'dancing' },
  ]
  presence.receive(origin, { push }, (userId) => userId === bob || userId.startsWith('@odd') || userId.startsWith('@eve'))
  expect(presence.present()).toEqual([bob])
  presence[Symbol.dispose]()
})

test('a server that invents users pushes out its own, and nobody else’s', async () => {
  const { presence } = await start()
  const { presenceUsersMax, presenceUsersPerServerMax, presenceUpdatesPerEduMax } = limits.implementation
  const own = '@alice:here.example' as UserId
  presence.set(own, 'online', undefined)
  presence.receive(origin, { push: [{ user_id: bob, presence: 'online' }] }, () => true)
  const invent = (server: string, count: number): void => {
    const push = Array.from({ length: count }, (_, index) => ({ user_id: `@${index}:${server}`, presence: 'online' }))
    for (let start = 0; start < count; start += presenceUpdatesPerEduMax)
      presence.receive(server as ServerName, { push: push.slice(start, start + presenceUpdatesPerEduMax) }, () => true)
  }
  const of = (server: string): number => presence.present().filter((userId) => userId.endsWith(`:${server}`)).length
  invent('liar.example', presenceUsersPerServerMax + 50)
  expect(of('liar.example')).toBe(presenceUsersPerServerMax)
  for (let index = 0; index <= presenceUsersMax / presenceUsersPerServerMax; index++)
    invent(`${index}.liar.example`, presenceUsersPerServerMax)
  expect(presence.present().length).toBeLessThanOrEqual(presenceUsersMax + 1)
  expect([presence.get(own)?.state, presence.get(bob)?.state]).toEqual(['online', 'online'])
  const carol = '@carol:honest.example' as UserId
  presence.receive('honest.example' as ServerName, { push: [{ user_id: carol, presence: 'online' }] }, () => true)
  expect(presence.get(carol)?.state).toBe('online')
  presence.set('@dora:here.example' as UserId, 'online', undefined)
  expect(presence.get('@dora:here.example' as UserId)?.state).toBe('online')
  presence[Symbol.dispose]()
})

test('who is pushed out is away for those who knew of them', async () => {
  const { clock, presence, timeline } = await start()
  presence.receive(origin, { push: [{ user_id: bob, presence: 'online' }] }, () => true)
  await clock.advance(limits.implementation.presenceTellIntervalMs)
  const known = timeline.position
  const { presenceUsersPerServerMax, presenceUpdatesPerEduMax } = limits.implementation
  for (let count = 0; count < presenceUsersPerServerMax; count += presenceUpdatesPerEduMax) {
    const push = Array.from({ length: presenceUpdatesPerEduMax }, (_, index) => ({
      user_id: `@${count + index}:${origin}`,
      presence: 'online',
    }))
    presence.receive(origin, { push }, () => true)
  }
  await clock.advance(limits.implementation.presenceTellIntervalMs)
  expect(presence.changedAfter(known)).toContain(bob)
  expect([presence.get(bob)?.state, presence.present().includes(bob)]).toEqual(['offline', false])
  presence.receive(origin, { push: [{ user_id: bob, presence: 'online' }] }, () => true)
  expect(presence.get(bob)?.state).toBe('online')
  presence[Symbol.dispose]()
})

test('users whose server fell silent are away in the end', async () => {
  const { clock, presence } = await start()
  presence.receive(origin, { push: [{ user_id: bob, presence: 'online' }] }, () => true)
  await clock.advance(limits.implementation.presenceOfOthersLifetimeMs - 60_000)
  expect(presence.get(bob)).toMatchObject({ state: 'online' })
  await clock.advance(120_000)
  expect(presence.get(bob)).toMatchObject({ state: 'offline' })
  presence[Symbol.dispose]()
})

test('a server that changes its mind all the time wakes nobody all the time', async () => {
  const { clock, presence, timeline } = await start()
  const before = timeline.position
  for (let index = 0; index < 1_000; index++) {
    presence.receive(origin, { push: [{ user_id: bob, presence: 'online', status_msg: `${index}` }] }, () => true)
    await clock.advance(5)
  }
  await clock.advance(2_000)
  // Five seconds, and the moment after them.
  expect(timeline.position - before).toBeLessThanOrEqual(7)
  expect(presence.changedAfter(before)).toEqual([bob])
  expect(presence.get(bob)?.statusMessage).toBe('999')
  presence[Symbol.dispose]()
})

test('whatever another server sends throws nothing and stays within bounds', async () => {
  const { presence } = await start()
  fc.assert(
    fc.property(fc.jsonValue(), (push) => {
      presence.receive(origin, { push } as never, () => true)
      presence.receive(
        origin,
        { push: [push, { user_id: bob, presence: push, status_msg: push, last_active_ago: push }] } as never,
        () => true,
      )
    }),
  )
  presence.receive(origin, { push: [{ user_id: bob, presence: 'online', status_msg: 'x'.repeat(10_000) }] }, () => true)
  expect(presence.get(bob)?.statusMessage).toBe(undefined)
  presence[Symbol.dispose]()
})
