import { expect, test } from 'vitest'
import { FairPlaces } from './fair-places.ts'

const never = new AbortController().signal

test('whoever has too much to do waits for itself alone', async () => {
  const places = new FairPlaces({ tasksMax: 3, tasksPerCauseMax: 2 })
  const running = new Set<string>()
  const ends = new Map<string, () => void>()
  const begin = (cause: string, name: string): Promise<void> =>
    places.run(cause, never, async () => {
      running.add(name)
      await new Promise<void>((resolve) => ends.set(name, resolve))
      running.delete(name)
    })
  const turn = async (): Promise<void> => {
    for (let step = 0; step < 20; step++) await Promise.resolve()
  }
  const work = ['slow 1', 'slow 2', 'slow 3', 'slow 4'].map((name) => begin('slow', name))
  work.push(begin('other', 'other 1'), begin('third', 'third 1'))
  await turn()
  expect([...running]).toEqual(['slow 1', 'slow 2', 'other 1'])
  ends.get('other 1')?.()
  await turn()
  expect([...running]).toEqual(['slow 1', 'slow 2', 'third 1'])
  ends.get('slow 1')?.()
  await turn()
  expect([...running]).toEqual(['slow 2', 'third 1', 'slow 3'])
  for (const name of ['slow 2', 'third 1', 'slow 3']) ends.get(name)?.()
  await turn()
  ends.get('slow 4')?.()
  await Promise.all(work)
  expect(places.causeCount).toBe(0)
})

test('what is aborted while it waits does not begin, and leaves its place to others', async () => {
  const places = new FairPlaces({ tasksMax: 1, tasksPerCauseMax: 1 })
  const first = Promise.withResolvers<void>()
  const running = places.run('a', never, () => first.promise)
  const waiting = places.run('a', AbortSignal.abort(new Error('over')), async () => 'begun')
  first.resolve()
  await running
  await expect(waiting).rejects.toThrow('over')
  expect(await places.run('a', never, async () => 'free')).toBe('free')
  expect(places.causeCount).toBe(0)
})
