import { settleMicrotasks } from '@kith/testkit/virtual-clock'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { GroupQueue, RoomBusyError } from './group-queue.ts'

const signal = new AbortController().signal

interface Recorder {
  readonly commits: number[][]
  readonly queue: GroupQueue<number[]>
  fail: Error | undefined
}

function record(): Recorder {
  const commits: number[][] = []
  const recorder: Recorder = {
    commits,
    fail: undefined,
    queue: new GroupQueue<number[]>(
      () => [],
      async (draft) => {
        await settleMicrotasks(3)
        if (recorder.fail !== undefined) throw recorder.fail
        commits.push(draft)
      },
    ),
  }
  return recorder
}

const add = (value: number) => async (draft: number[]) => {
  await settleMicrotasks(2)
  draft.push(value)
  return () => value
}

test('jobs of one moment share a commit, later ones the next', async () => {
  const { queue, commits } = record()
  const first = [1, 2, 3].map(async (value) => queue.run(add(value), signal))
  await settleMicrotasks(4)
  const second = [4, 5].map(async (value) => queue.run(add(value), signal))
  expect(await Promise.all([...first, ...second])).toEqual([1, 2, 3, 4, 5])
  expect(commits).toEqual([
    [1, 2, 3],
    [4, 5],
  ])
})

test('a job that throws does not spoil its group; a commit that fails fails all of it and nobody else', async () => {
  const recorder = record()
  const { queue, commits } = recorder
  const bad = queue.run(async () => {
    throw new Error('bad job')
  }, signal)
  const good = queue.run(add(1), signal)
  await expect(bad).rejects.toThrow('bad job')
  expect(await good).toBe(1)
  recorder.fail = new Error('disk')
  const failed = await Promise.allSettled([queue.run(add(2), signal), queue.run(add(3), signal)])
  expect(failed.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
  recorder.fail = undefined
  expect(await queue.run(add(4), signal)).toBe(4)
  expect(commits).toEqual([[1], [4]])
})

test('a job alone keeps its place and has no draft', async () => {
  const { queue, commits } = record()
  const [, seen] = await Promise.all([
    queue.run(add(1), signal),
    queue.runAlone(async () => [...commits], signal),
    queue.run(add(2), signal),
  ])
  expect(seen).toEqual([[1]])
  expect(commits).toEqual([[1], [2]])
})

test('giving up while waiting is heard at once; giving up later changes nothing', async () => {
  const { queue, commits } = record()
  const abort = new AbortController()
  const running = queue.run(add(1), abort.signal)
  await settleMicrotasks(1)
  const waiting = queue.run(add(2), abort.signal)
  abort.abort(new Error('gave up'))
  await expect(waiting).rejects.toThrow('gave up')
  expect(await running).toBe(1)
  expect(commits).toEqual([[1]])
  await expect(queue.run(add(3), abort.signal)).rejects.toThrow('gave up')
})

test('a queue that is full says so', async () => {
  const { queue } = record()
  const jobs = Array.from({ length: limits.implementation.roomQueueMax }, async (_, value) => queue.run(add(value), signal))
  await expect(queue.run(add(0), signal)).rejects.toThrow(RoomBusyError)
  await Promise.all(jobs)
  expect(await queue.run(add(1), signal)).toBe(1)
})
