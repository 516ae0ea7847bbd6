import { isJsonObject, type RoomId } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import { type EventFilter, readEventFilter } from '../../sync/sync-filter.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { historyToken } from '../history-token.ts'
import { directionFrom, eventIdFrom, integerFrom, roomIdFrom } from '../parameters.ts'
import { readHistory } from '../read-history.ts'
import { readable, readableState, readableStateIds, visibleEvent } from '../room-access.ts'

export const roomHistoryEndpoints = [
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/messages',
    async handle(api, { params, session, query, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const { leftBy } = await readable(api, session, roomId)
      const direction = directionFrom(query)
      const given = await historyToken(api, roomId, query.get('from'))
      // Who left looks back from there; what came since would only be filtered out.
      const from = given ?? (direction === 'b' && leftBy !== undefined ? api.rooms.tokensAround(leftBy).after : undefined)
      const filter = filterFrom(query)
      const limit = integerFrom(query, 'limit', filter.limit ?? 10, limits.implementation.messagesPageMax)
      const page = await readHistory(api, roomId, { from, direction, limit: Math.max(1, limit) }, signal)
      const visible = await api.sync.visibility.filter(page.events, session.userId)
      const chunk = visible.filter((event) => filter.accepts(event.pdu))
      return {
        chunk: await api.sync.events.withRoomId(chunk, session),
        start: query.get('from') ?? from ?? '',
        ...(page.end === undefined ? {} : { end: page.end }),
        state: filter.lazyLoadMembers ? await sendersOf(api, session, roomId, chunk) : [],
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/event/:eventId',
    async handle(api, { params, session }) {
      const event = await visibleEvent(api, session, roomIdFrom(params.roomId), eventIdFrom(params.eventId))
      const [formatted] = await api.sync.events.withRoomId([event], session)
      return formatted ?? {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/context/:eventId',
    async handle(api, { params, session, query }) {
      const roomId = roomIdFrom(params.roomId)
      const event = await visibleEvent(api, session, roomId, eventIdFrom(params.eventId))
      const limit = integerFrom(query, 'limit', 10, limits.implementation.messagesPageMax)
      const around = api.rooms.tokensAround(event)
      const side = async (direction: 'b' | 'f', from: string, count: number): Promise<{ events: StoredEvent[]; end: string }> => {
        if (count === 0) return { events: [], end: from }
        const page = await api.rooms.page(roomId, { from, direction, limit: count })
        return { events: await api.sync.visibility.filter(page.events, session.userId), end: page.end ?? from }
      }
      const before = await side('b', around.before, Math.floor(limit / 2))
      const after = await side('f', around.after, Math.ceil(limit / 2))
      const shown = [event, ...before.events, ...after.events]
      const [formatted] = await api.sync.events.withRoomId([event], session)
      const state = filterFrom(query).lazyLoadMembers
        ? await sendersOf(api, session, roomId, shown)
        : await stateAfter(api, session, after.events.at(-1) ?? event)
      return {
        event: formatted,
        events_before: await api.sync.events.withRoomId(before.events, session),
        events_after: await api.sync.events.withRoomId(after.events, session),
        start: before.end,
        end: after.end,
        state,
      }
    },
  }),
]

function filterFrom(query: URLSearchParams): EventFilter {
  const text = query.get('filter')
  if (text === null) return readEventFilter({})
  try {
    const parsed: unknown = JSON.parse(text)
    if (isJsonObject(parsed)) return readEventFilter(parsed)
  } catch {
    // Falls through to the same answer as for JSON of another kind.
  }
  throw new MatrixError(400, 'M_BAD_JSON', 'The filter is no JSON object')
}

async function sendersOf(api: Api, session: Session, roomId: RoomId, events: readonly StoredEvent[]): Promise<readonly object[]> {
  const state = await readableState(api, session, roomId)
  const senders = [...new Set(events.map((event) => event.pdu.sender))]
  const ids = await Promise.all(senders.map(async (sender) => state.idOf('m.room.member', sender)))
  const members = await api.rooms.events(ids.filter((eventId) => eventId !== undefined))
  return api.sync.events.withRoomId(
    members.filter((member) => member !== undefined),
    session,
  )
}

/** The state at the last event that is shown; where nobody here knows it, the one that the user may read. */
async function stateAfter(api: Api, session: Session, event: StoredEvent): Promise<readonly object[]> {
  const after = await api.rooms.stateAfter(event.eventId)
  if (after !== undefined) return api.sync.events.withRoomId([...after.entries()], session)
  const ids = await readableStateIds(api, session, event.roomId)
  const events = await api.rooms.events([...ids.values()])
  return api.sync.events.withRoomId(
    events.filter((found) => found !== undefined),
    session,
  )
}
