import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { expect, test } from 'vitest'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { PastStays } from './last-stay.ts'

const bob = '@bob:example.org' as UserId
const roomId = '!room:example.org' as RoomId

function memberEvent(eventId: string, membership: string): StoredEvent {
  return { eventId, roomId, status: 'accepted', pdu: { type: 'm.room.member', state_key: bob, content: { membership } } } as never
}

test('whether somebody who was put out had been inside is read once for each of their memberships', async () => {
  const join = memberEvent('$join', 'join')
  let current = memberEvent('$kick', 'leave')
  let reads = 0
  const rooms = {
    state: () => ({ get: () => current }),
    stateIdBefore: async (event: StoredEvent): Promise<EventId | undefined> => {
      reads++
      return event.eventId === '$kick' ? ('$join' as EventId) : undefined
    },
    event: async () => join,
  } as unknown as Rooms
  const stays = new PastStays(rooms)
  for (let wake = 0; wake < 3; wake++) expect(await stays.endedBy(roomId, bob, current)).toBe(true)
  expect(reads).toBe(1)
  current = memberEvent('$rejected', 'leave')
  for (let wake = 0; wake < 3; wake++) expect(await stays.endedBy(roomId, bob, current)).toBe(false)
  expect(reads).toBe(2)
})
