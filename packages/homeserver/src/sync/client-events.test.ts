import type { EventId, RoomId, UserId } from '@kith/matrix-protocol'
import { VirtualClock } from '@kith/testkit/virtual-clock'
import { expect, test } from 'vitest'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { type Aggregated, ClientEvents } from './client-events.ts'
import { Visibility } from './visibility.ts'

const reader = { userId: '@alice:example.org' as UserId, deviceId: 'ONE' }
const roomId = '!room:example.org' as RoomId

function message(eventId: string, redactedBy?: string): StoredEvent {
  const pdu = { type: 'm.room.message', sender: reader.userId, origin_server_ts: 0, content: {} }
  return { eventId, roomId, status: 'accepted', pdu, ...(redactedBy === undefined ? {} : { redactedBy }) } as never
}

function open(known: readonly StoredEvent[]) {
  const stored = new Map(known.map((event) => [event.eventId, event]))
  const [read, aggregated]: [EventId[][], EventId[][]] = [[], []]
  const rooms = {
    events: async (eventIds: readonly EventId[]) => {
      if (eventIds.length > 0) read.push([...eventIds])
      return eventIds.map((eventId) => stored.get(eventId))
    },
    version: () => undefined,
  } as unknown as Rooms
  const aggregations = {
    of: async (events: readonly StoredEvent[]) => {
      aggregated.push(events.map(({ eventId }) => eventId))
      return new Map<EventId, Aggregated>()
    },
  }
  return {
    read,
    aggregated,
    events: new ClientEvents({ rooms, clock: new VirtualClock(), aggregations, visibility: new Visibility(rooms) }),
  }
}

test('what redacted the events of a page is one read', async () => {
  const redactions = ['$r1', '$r2', '$r3'].map((eventId) => message(eventId))
  const { events, read } = open(redactions)
  const page = [message('$1', '$r1'), message('$2', '$r2'), message('$3', '$r3'), message('$4', '$r1'), message('$5')]
  const shown = await events.withoutRoomId(page, reader)
  expect(read).toEqual([['$r1', '$r2', '$r3']])
  const because = shown.map(({ unsigned }) => (unsigned['redacted_because'] as { event_id?: string } | undefined)?.event_id)
  expect(because).toEqual(['$r1', '$r2', '$r3', '$r1', undefined])
})

test('what goes with events is not read again by whoever knows it, but for the latest event of each thread', async () => {
  const { events, aggregated } = open([])
  const known = new Map([['$root' as EventId, { thread: { latest: message('$latest'), count: 2, participated: true } }]])
  const [root] = await events.withRoomId([message('$root')], reader, known)
  expect(aggregated).toEqual([['$latest']])
  expect(root?.unsigned['m.relations']).toMatchObject({ 'm.thread': { count: 2, latest_event: { event_id: '$latest' } } })
})
