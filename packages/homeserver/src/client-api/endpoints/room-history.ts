import type { RoomId } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { withoutIgnored } from '../../accounts/ignored-users.ts'
import { isBefore, parsePlace } from '../../conversation/history-places.ts'
import { limits } from '../../limits.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import { type EventFilter, readEventFilter } from '../../sync/sync-filter.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { parseFilter, roomEventFilterSchema } from '../filter-shape.ts'
import { historyToken } from '../history-token.ts'
import { directionFrom, eventIdFrom, integerFrom, roomIdFrom } from '../parameters.ts'
import { readContext } from '../read-context.ts'
import { readHistory } from '../read-history.ts'
import { readable, readableState, readableStateIds, visibleEvent } from '../room-access.ts'

type EventsPage = Awaited<ReturnType<typeof readHistory>>

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
      const to = await historyToken(api, roomId, query.get('to'))
      const page = upTo(await readHistory(api, roomId, { from, direction, limit: Math.max(1, limit) }, signal), direction, to)
      const heard = withoutIgnored(page.events, await api.conversation.ignoredUsers.of(session.userId))
      const visible = await api.sync.visibility.filter(heard, session.userId)
      const accepted = visible.filter((event) => filter.accepts(event.pdu))
      const chunk = await api.conversation.relatedBy(accepted, filter.relatedBy, session.userId)
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
      const context = await readContext(api, session, event, { before: Math.floor(limit / 2), after: Math.ceil(limit / 2) })
      const filter = filterFrom(query)
      const chosen = async (events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> =>
        api.conversation.relatedBy(
          events.filter(({ pdu }) => filter.accepts(pdu)),
          filter.relatedBy,
          session.userId,
        )
      const [before, after] = [await chosen(context.before), await chosen(context.after)]
      const shown = [event, ...before, ...after]
      const [formatted] = await api.sync.events.withRoomId([event], session)
      const state = filter.lazyLoadMembers
        ? await sendersOf(api, session, roomId, shown)
        : await stateAfter(api, session, context.after.at(-1) ?? event)
      return {
        event: formatted,
        events_before: await api.sync.events.withRoomId(before, session),
        events_after: await api.sync.events.withRoomId(after, session),
        start: context.start,
        end: context.end,
        state,
      }
    },
  }),
]

/** The page as far as it does not lie behind the token; that is the end then. */
function upTo(page: EventsPage, direction: 'b' | 'f', token: string | undefined): EventsPage {
  const end = parsePlace(token)
  if (end === undefined) return page
  const events = page.events.filter(({ pdu, sequence = 0 }) => isBefore({ depth: pdu.depth, place: sequence }, end) === (direction === 'f'))
  return events.length === page.events.length ? page : { events, end: undefined }
}

function filterFrom(query: URLSearchParams): EventFilter {
  const text = query.get('filter')
  return readEventFilter(text === null ? {} : parseFilter(text, roomEventFilterSchema))
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
