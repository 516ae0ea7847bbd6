import type { EventId, Pdu } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sortParentsFirst } from './parse-pdus.ts'

const idOf = (index: number): EventId => `$${index}` as EventId

function event(prev: readonly number[], auth: readonly number[], depth: number): Pdu {
  return { prev_events: prev.map(idOf), auth_events: auth.map(idOf), depth } as unknown as Pdu
}

test('parents come before children, whatever depth says', () => {
  const graph = fc.array(fc.record({ prev: fc.array(fc.nat(40)), auth: fc.array(fc.nat(40)), depth: fc.nat(3) }), { maxLength: 40 })
  fc.assert(
    fc.property(graph, fc.infiniteStream(fc.nat()), (nodes, order) => {
      const ids = nodes.map((_, index) => index)
      const shuffled = ids.toSorted((left, right) => (order.next().value ?? 0) - (order.next().value ?? 0) || left - right)
      const events = new Map(
        shuffled.map((index) => {
          const node = nodes[index] ?? { prev: [], auth: [], depth: 0 }
          const older = (id: number): boolean => id < index && id < nodes.length
          return [idOf(index), event(node.prev.filter(older), node.auth.filter(older), node.depth)] as const
        }),
      )
      const place = new Map(sortParentsFirst(events).map((pdu, index) => [pdu, index]))
      expect(place.size).toBe(events.size)
      const links = [...events.values()].flatMap((pdu) =>
        [...pdu.prev_events, ...pdu.auth_events].map(
          (id) => [place.get(events.get(id as EventId) ?? pdu) ?? 0, place.get(pdu) ?? 0] as const,
        ),
      )
      expect(links.filter(([parent, child]) => parent >= child)).toEqual([])
    }),
  )
})

test('a circle ends, with each event once', () => {
  const events = new Map([
    [idOf(1), event([2], [], 1)],
    [idOf(2), event([3], [1], 1)],
    [idOf(3), event([1, 3], [], 1)],
  ])
  expect(sortParentsFirst(events)).toHaveLength(3)
})
