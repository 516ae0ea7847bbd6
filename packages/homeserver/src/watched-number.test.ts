import { expect, test } from 'vitest'
import { WatchedNumber } from './watched-number.ts'

const never = new AbortController().signal

test('wakes those who wait for less, and nobody else', async () => {
  const number = new WatchedNumber(1)
  const woken: string[] = []
  void number.beyond(1, never).then(() => woken.push('beyond 1'))
  void number.beyond(5, never).then(() => woken.push('beyond 5'))
  number.growTo(5)
  await Promise.resolve()
  await Promise.resolve()
  await Promise.resolve()
  expect(woken).toEqual(['beyond 1'])
  number.growTo(6)
  await number.beyond(5, never)
  expect(number.value).toBe(6)
})

test('never shrinks', () => {
  const number = new WatchedNumber(3)
  number.growTo(2)
  expect(number.value).toBe(3)
})

test('an abort ends the wait with its reason', async () => {
  const number = new WatchedNumber(0)
  const abort = new AbortController()
  const wait = number.beyond(0, abort.signal)
  abort.abort(new Error('enough'))
  await expect(wait).rejects.toThrow('enough')
  await expect(number.beyond(0, abort.signal)).rejects.toThrow('enough')
})
