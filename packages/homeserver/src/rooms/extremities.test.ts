import type { EventId, Pdu, RoomId } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { boundExtremities } from './extremities.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

const max = limits.implementation.roomExtremitiesMax
const roomId = '!room' as RoomId

/** A head that somebody on a server of their own made. */
function headOf(index: number, state: string, depth: number): StoredEvent {
  const pdu = { type: 'm.room.message', sender: `@user:server${index}`, room_id: roomId, depth, content: {} } as unknown as Pdu
  return { eventId: `$${index}` as EventId, roomId, pdu, status: 'accepted', stateAfter: state as StateRoot }
}

/** The heads that are left when they come one after the other. */
function keptOf(heads: readonly StoredEvent[]): StoredEvent[] {
  return heads.reduce<StoredEvent[]>((kept, head) => boundExtremities([...kept, head]), [])
}

test('where each of many servers brings one head, none goes whose state no other has', () => {
  const messages = Array.from({ length: max + 10 }, (_, index) => headOf(index, 'common', 10 + index))
  const change = headOf(1000, 'changed', 1)
  const kept = keptOf([change, ...messages])
  expect(kept).toHaveLength(max)
  expect(kept).toContain(change)
})

test('which heads are left does not depend on the order in which they came', () => {
  const heads = Array.from({ length: max + 10 }, (_, index) => headOf(index, `state ${index}`, index % 7))
  const expected = keptOf(heads).map(({ eventId }) => eventId)
  expect(expected).toHaveLength(max)
  fc.assert(
    fc.property(fc.shuffledSubarray(heads, { minLength: heads.length }), (shuffled) => {
      expect(keptOf(shuffled).map(({ eventId }) => eventId)).toEqual(expect.arrayContaining(expected))
    }),
  )
})
