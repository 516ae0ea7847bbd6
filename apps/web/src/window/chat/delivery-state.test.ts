import { describe, expect, test } from 'vitest'
import { applyChanges, applySnapshot, deliveryOf, needsSnapshot, noteSent, nothingKnown, parseDeliveries } from './delivery-state.ts'
import type { DeliveriesAnswer, DeliveryState } from './delivery-state.ts'
import { chatLimits } from './limits.ts'

function answer(...entries: readonly (readonly [string, DeliveryState])[]): DeliveriesAnswer {
  return { next: '1', deliveries: entries.map(([eventId, state]) => ({ eventId, state, destinations: new Map() })) }
}

describe('what is known about deliveries', () => {
  test('is nothing before the node has answered', () => {
    expect(deliveryOf(nothingKnown, '$a')).toBeUndefined()
  })

  test('after a snapshot: what it does not list has arrived', () => {
    const knowledge = applySnapshot(nothingKnown, answer(['$a', 'at_relay']), 1)
    expect(deliveryOf(knowledge, '$a')?.state).toBe('at_relay')
    expect(deliveryOf(knowledge, '$old')?.state).toBe('delivered')
  })

  test('follows the changes', () => {
    let knowledge = applySnapshot(nothingKnown, answer(['$a', 'waiting']), 1)
    knowledge = applyChanges(knowledge, answer(['$a', 'at_relay'], ['$b', 'waiting']))
    expect(deliveryOf(knowledge, '$a')?.state).toBe('at_relay')
    expect(deliveryOf(knowledge, '$b')?.state).toBe('waiting')
    knowledge = applyChanges(knowledge, answer(['$a', 'delivered']))
    expect(deliveryOf(knowledge, '$a')?.state).toBe('delivered')
  })

  test('a message that was just sent is not called delivered before the node says so', () => {
    let knowledge = applySnapshot(nothingKnown, answer(), 1)
    knowledge = noteSent(knowledge, '$a', 1)
    expect(deliveryOf(knowledge, '$a')?.state).toBe('waiting')
    knowledge = applyChanges(knowledge, answer(['$a', 'delivered']))
    expect(deliveryOf(knowledge, '$a')?.state).toBe('delivered')
  })

  test('the node may tell of the delivery before it answers the send', () => {
    let knowledge = applySnapshot(nothingKnown, answer(), 1)
    knowledge = applyChanges(knowledge, answer(['$a', 'delivered']))
    knowledge = noteSent(knowledge, '$a', 2)
    expect(deliveryOf(knowledge, '$a')?.state).toBe('delivered')
  })

  test('a message that the node never mentions asks for a snapshot, which settles it', () => {
    let knowledge = noteSent(applySnapshot(nothingKnown, answer(), 1), '$a', 2)
    expect(needsSnapshot(knowledge, 2)).toBe(false)
    expect(needsSnapshot(knowledge, 3)).toBe(true)
    knowledge = applySnapshot(knowledge, answer(), 4)
    expect(needsSnapshot(knowledge, 5)).toBe(false)
    expect(deliveryOf(knowledge, '$a')?.state).toBe('delivered')
  })

  test('a snapshot does not settle what was sent while it was asked for', () => {
    const knowledge = applySnapshot(noteSent(nothingKnown, '$a', 4), answer(), 4)
    expect(deliveryOf(knowledge, '$a')?.state).toBe('waiting')
  })

  test('is bounded', () => {
    const entries = Array.from({ length: chatLimits.deliveriesMax + 10 }, (_, index) => [`$${index}`, 'waiting'] as const)
    const knowledge = applyChanges(nothingKnown, answer(...entries))
    expect(knowledge.underWay.size).toBe(chatLimits.deliveriesMax)
  })
})

describe('answers of the node', () => {
  test('are read', () => {
    const value = {
      next: 7,
      deliveries: [
        { room_id: '!r', event_id: '$a', state: 'at_relay', destinations: { k51a: 'at_relay', k51b: 'elsewhere' } },
        { event_id: 5 },
      ],
    }
    expect(parseDeliveries(value)).toEqual({
      next: '7',
      deliveries: [{ eventId: '$a', state: 'at_relay', destinations: new Map([['k51a', 'at_relay']]) }],
    })
  })

  test.each([[undefined], [{}], [{ deliveries: [] }], [{ next: '1', deliveries: {} }]])('of another shape are an error: %j', (value) => {
    expect(() => parseDeliveries(value)).toThrow(TypeError)
  })
})
