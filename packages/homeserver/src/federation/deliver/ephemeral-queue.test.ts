import { VirtualClock } from '@kith/testkit/virtual-clock'
import type { JsonObject } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { EphemeralQueue } from './ephemeral-queue.ts'

const typing = (room: string, user: string, value: boolean) => ({
  type: 'm.typing',
  content: { room_id: room, user_id: user, typing: value },
})
const receipt = (room: string, user: string, eventId: string, threadId?: string) => ({
  type: 'm.receipt',
  content: {
    [room]: { 'm.read': { [user]: { data: { ts: 1, ...(threadId === undefined ? {} : { thread_id: threadId }) }, event_ids: [eventId] } } },
  },
})
const presence = (user: string, state: string) => ({ type: 'm.presence', content: { push: [{ user_id: user, presence: state }] } })

test('only the latest typing of a user in a room counts', () => {
  const queue = new EphemeralQueue(new VirtualClock())
  queue.add(typing('!a', '@u', true))
  queue.add(typing('!b', '@u', true))
  queue.add(typing('!a', '@u', false))
  expect(queue.take(10)).toEqual([typing('!b', '@u', true), typing('!a', '@u', false)])
  expect(queue.take(10)).toEqual([])
})

test('receipts of many users and rooms share an EDU, and the latest of each counts', () => {
  const queue = new EphemeralQueue(new VirtualClock())
  for (let count = 0; count < 20; count++) {
    for (const room of ['!a', '!b']) for (const user of ['@u', '@v']) queue.add(receipt(room, user, `$${count}`))
  }
  const read = (eventId: string): JsonObject => ({ data: { ts: 1 }, event_ids: [eventId] })
  const users = { 'm.read': { '@u': read('$19'), '@v': read('$19') } }
  expect(queue.take(10)).toEqual([{ type: 'm.receipt', content: { '!a': users, '!b': users } }])
})

test('receipts of one user in two threads go in two EDUs, for one has no place for both', () => {
  const queue = new EphemeralQueue(new VirtualClock())
  queue.add(receipt('!a', '@u', '$1', 'main'))
  queue.add(receipt('!a', '@u', '$2', '$thread'))
  expect(queue.take(10)).toEqual([receipt('!a', '@u', '$1', 'main'), receipt('!a', '@u', '$2', '$thread')])
})

test('what does not fit waits for the next transaction', () => {
  const queue = new EphemeralQueue(new VirtualClock())
  for (const user of ['@a', '@b', '@c']) queue.add(typing('!a', user, true))
  expect(queue.take(2)).toHaveLength(2)
  expect(queue.take(2)).toEqual([typing('!a', '@c', true)])
  queue.add(typing('!a', '@a', true))
  expect(queue.take(0)).toEqual([])
  expect(queue.take(1)).toHaveLength(1)
})

test('presence is joined and replaced by user', () => {
  const queue = new EphemeralQueue(new VirtualClock())
  queue.add(presence('@u', 'online'))
  queue.add(presence('@v', 'online'))
  queue.add(presence('@u', 'offline'))
  const push = [
    { user_id: '@v', presence: 'online' },
    { user_id: '@u', presence: 'offline' },
  ]
  expect(queue.take(10)).toEqual([{ type: 'm.presence', content: { push } }])
})

test('everything expires, and a flood leaves a bounded rest', async () => {
  const clock = new VirtualClock()
  const queue = new EphemeralQueue(clock)
  const { ephemeralPerDestinationMax, ephemeralLifetimeMs } = limits.implementation
  for (let count = 0; count < 3 * ephemeralPerDestinationMax; count++) queue.add(typing('!a', `@${count}`, true))
  expect(queue.take(1)).toEqual([typing('!a', `@${2 * ephemeralPerDestinationMax}`, true)])
  await clock.advance(ephemeralLifetimeMs)
  expect(queue.take(1000)).toEqual([])
})
