import { expect, test } from 'vitest'
import { handlerTarget } from './handler-target.ts'

class Door extends handlerTarget(['open', 'close']) {}

const set = (door: Door, handlers: Partial<Pick<Door, 'onopen' | 'onclose'>>): Door => Object.assign(door, handlers)

test('a property holds one handler, which is called with the event on its object, until another one or none takes its place', () => {
  const door = new Door()
  const told: string[] = []
  expect(door.onopen).toBe(null)
  const first = function (this: unknown, event: Event): void {
    told.push(`first ${event.type} ${this === door}`)
  }
  set(door, { onopen: first })
  door.addEventListener('open', () => told.push('listener'))
  door.dispatchEvent(new Event('open'))
  expect([door.onopen, door.onclose]).toEqual([first, null])
  set(door, { onopen: () => told.push('second') })
  door.dispatchEvent(new Event('open'))
  door.dispatchEvent(new Event('close'))
  set(door, { onopen: null })
  door.dispatchEvent(new Event('open'))
  expect(told).toEqual(['first open true', 'listener', 'listener', 'second', 'listener'])
})

test('objects of a class, and classes, do not share handlers', () => {
  const [one, other] = [new Door(), new Door()]
  set(one, { onclose: () => undefined })
  expect(other.onclose).toBe(null)
  expect('onclose' in new (handlerTarget(['open']))()).toBe(false)
})
