import type { EventId, Pdu } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { findBeside } from './dag-walks.ts'
import type { StoredEvent } from './stored-event.ts'

const idOf = (index: number) => `$${index}` as EventId

/** Each event names which of those before it it follows. */
const graphs = fc
  .array(fc.array(fc.nat(1_000), { minLength: 1, maxLength: 3 }), { minLength: 3, maxLength: 25 })
  .map((names) => names.map((prevs, index) => (index === 0 ? [] : [...new Set(prevs.map((prev) => prev % index))])))

function storeOf(graph: readonly (readonly number[])[], depthOf: (index: number) => number) {
  const event = (prevs: readonly number[], index: number) =>
    ({ eventId: idOf(index), pdu: { prev_events: prevs.map(idOf), depth: depthOf(index) } }) as unknown as StoredEvent
  const events = new Map(graph.map((prevs, index) => [idOf(index), event(prevs, index)]))
  let read = 0
  const getMany = async (ids: readonly EventId[]) => {
    read += ids.length
    return ids.map((id) => events.get(id))
  }
  return { getMany, pduOf: (index: number): Pdu => events.get(idOf(index))!.pdu, reads: () => read }
}

function ancestorsOf(graph: readonly (readonly number[])[], starts: readonly number[]): Set<number> {
  const found = new Set<number>()
  const open = [...starts]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue
    found.add(next)
    open.push(...(graph[next] ?? []))
  }
  return found
}

test('what lies beside an event is what the heads follow and it does not', async () => {
  await fc.assert(
    fc.asyncProperty(graphs, fc.nat(), fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), async (graph, one, others) => {
      const depths: number[] = []
      for (const prevs of graph) depths.push(1 + Math.max(0, ...prevs.map((prev) => depths[prev] ?? 0)))
      const store = storeOf(graph, (index) => depths[index] ?? 0)
      const join = one % graph.length
      const heads = others.map((other) => other % graph.length)
      const behind = ancestorsOf(graph, graph[join] ?? [])
      const expected = [...ancestorsOf(graph, heads)].filter((index) => !behind.has(index)).map(idOf)
      const found = await findBeside(store, heads.map(idOf), store.pduOf(join))
      expect(found.map(({ eventId }) => eventId).toSorted()).toEqual(expected.toSorted())
      expect(found.map(({ pdu }) => pdu.depth)).toEqual(found.map(({ pdu }) => pdu.depth).toSorted((a, b) => a - b))
    }),
  )
})

test('depths that lie cost no more, and hide nothing', async () => {
  const { besideJoinWalkedMax } = limits.implementation
  const length = 3 * besideJoinWalkedMax
  const chain = Array.from({ length }, (_, index) => (index === 0 ? [] : [index - 1]))
  const graph = [...chain, [0], [0]]
  const store = storeOf(graph, (index) => (index === length ? 1_000_000 : index % 7))
  const found = await findBeside(store, [idOf(length - 1), idOf(length)], store.pduOf(length + 1))
  expect(found.map(({ eventId }) => eventId)).toContain(idOf(length))
  expect(store.reads()).toBeLessThan(besideJoinWalkedMax + 10)
})
