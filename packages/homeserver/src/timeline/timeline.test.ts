import type { ServerName, UserId } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { timelineTables } from './tables.ts'
import { Timeline } from './timeline.ts'

const signal = new AbortController().signal
const row = { kind: 'account-data', userId: '@a:x' as UserId, type: 'test' } as const
const edu = { kind: 'edu', type: 'test', content: {} } as const
const server = 'x' as ServerName

test('positions grow over commits, ticks and restarts, and none is used twice', async () => {
  const disk = new MemoryDisk()
  const used: number[] = []
  for (let run = 0; run < 3; run++) {
    const timeline = await Timeline.open(openMemoryStorage({ disk }))
    expect(timeline.position).toBeGreaterThanOrEqual(used.at(-1) ?? 0)
    await timeline.commit((transaction) => {
      used.push(transaction.append(row))
      transaction.enqueue(server, edu)
    })
    used.push(timeline.position, await timeline.tick())
    await timeline.commit((transaction) => used.push(transaction.append(row)))
    used.push(await timeline.tick())
  }
  expect(used).toEqual(used.toSorted((a, b) => a - b))
  expect(new Set(used).size).toBe(used.length)
})

test('memory follows before anybody hears of a commit, and nobody hears of a failed one', async () => {
  let broken = false
  const storage = openMemoryStorage({
    faultPoint: () => {
      if (broken) throw new Error('broken')
    },
  })
  const timeline = await Timeline.open(storage)
  const heard: string[] = []
  const abort = new AbortController()
  timeline.watchOutbox((destinations) => heard.push(`outbox ${[...destinations].join()}`), abort.signal)
  const changed = timeline.changed(0, signal).then(() => heard.push('changed'))
  await timeline.commit(
    (transaction) => {
      transaction.append(row)
      transaction.enqueue(server, edu)
    },
    () => heard.push('applied'),
  )
  await changed
  expect(heard).toEqual(['applied', 'outbox x', 'changed'])
  broken = true
  const { position } = timeline
  await expect(
    timeline.commit(
      (transaction) => transaction.enqueue(server, edu),
      () => heard.push('applied'),
    ),
  ).rejects.toThrow('broken')
  expect(timeline.position).toBe(position)
  expect(heard).toHaveLength(3)
  abort.abort()
  broken = false
  await timeline.commit((transaction) => transaction.enqueue(server, edu))
  expect(heard).toHaveLength(3)
})

test('a lease that could not be stored is asked for again', async () => {
  const disk = new MemoryDisk()
  let broken = true
  const faultPoint = (): void => {
    if (broken) throw new Error('broken')
  }
  const timeline = await Timeline.open(openMemoryStorage({ disk, faultPoint }))
  await expect(timeline.tick()).rejects.toThrow('broken')
  await expect(timeline.commit((transaction) => transaction.append(row))).rejects.toThrow('broken')
  broken = false
  const position = await timeline.tick()
  const again = await Timeline.open(openMemoryStorage({ disk }))
  expect(again.position).toBeGreaterThanOrEqual(position)
  expect(again.position).toBeLessThanOrEqual(position + limits.implementation.positionLeaseSize)
})

test('waiting ends with the signal', async () => {
  const timeline = await Timeline.open(openMemoryStorage())
  const abort = new AbortController()
  const waiting = timeline.changed(0, abort.signal)
  abort.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await expect(timeline.changed(0, abort.signal)).rejects.toThrow('enough')
})

test('rows and outbox rows are one commit in the order of the calls', async () => {
  const storage = openMemoryStorage()
  const timeline = await Timeline.open(storage)
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) =>
      timeline.commit((transaction) => {
        transaction.append({ ...row, type: `${index}` })
        transaction.enqueue(server, { ...edu, type: `${index}` })
      }),
    ),
  )
  const rows = await timeline.since(0, 100)
  expect(rows.map(({ value }) => value.kind === 'account-data' && value.type)).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`))
  const outbox = await storage.range(timelineTables.outbox, { prefix: [server], limit: 100 })
  expect(outbox).toHaveLength(20)
  expect(timeline.position).toBe(outbox.at(-1)?.key[1])
})
