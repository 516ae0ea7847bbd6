import { type JsonObject, ownString, type RoomId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import type { EventHit, EventSearch } from '../../search/event-search.ts'
import { wordsOf } from '../../search/words.ts'
import { readEventFilter } from '../../sync/sync-filter.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { readContext } from '../read-context.ts'
import { readableStateIds } from '../room-access.ts'
import { roomEventFilterSchema } from '../filter-shape.ts'
import { objectSchema } from '../schemas.ts'
import { formatSearchToken, parseSearchToken, type SearchToken } from '../search-token.ts'
import { waitBounded } from '../../wait-bounded.ts'

const { searchTermCharactersMax, searchTermWordsMax, searchContextMax, searchPageDefault, searchPageMax, searchPatienceMs } =
  limits.implementation

const contextCount = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 5)

const roomEventsSchema = v.looseObject({
  search_term: v.pipe(v.string(), v.maxLength(searchTermCharactersMax)),
  keys: v.optional(v.array(v.picklist(['content.body', 'content.name', 'content.topic'])), [
    'content.body',
    'content.name',
    'content.topic',
  ]),
  filter: v.optional(roomEventFilterSchema, {}),
  order_by: v.optional(v.picklist(['recent', 'rank']), 'rank'),
  event_context: v.optional(
    objectSchema({ before_limit: contextCount, after_limit: contextCount, include_profile: v.optional(v.boolean(), false) }),
  ),
  include_state: v.optional(v.boolean(), false),
  groupings: v.optional(
    objectSchema({ group_by: v.optional(v.array(objectSchema({ key: v.optional(v.picklist(['room_id', 'sender'])) })), []) }),
    {},
  ),
})

type Criteria = v.InferOutput<typeof roomEventsSchema>

export const searchEndpoints = [
  endpoint({
    method: 'POST',
    path: '/search',
    body: v.looseObject({ search_categories: objectSchema({ room_events: v.optional(roomEventsSchema) }) }),
    async handle(api, { session, query, body, signal }) {
      const criteria = body.search_categories.room_events
      if (criteria === undefined) return { search_categories: {} }
      const { search } = api
      if (search === undefined) throw new MatrixError(400, 'M_UNKNOWN', 'This server does not search in messages')
      const token = tokenFrom(query)
      // What was sent last is found as well, unless the index has much to catch up: then it tells what it knows.
      await waitBounded(api.ports.clock, searchPatienceMs, signal, async () => search.catchUp())
      return { search_categories: { room_events: await answer(api, search, session, criteria, token) } }
    },
  }),
]

async function answer(
  api: Api,
  search: EventSearch,
  session: Session,
  criteria: Criteria,
  token: SearchToken | undefined,
): Promise<JsonObject> {
  const filter = readEventFilter(criteria.filter)
  const words = [...new Set(wordsOf(criteria.search_term))].slice(0, searchTermWordsMax)
  const group = token?.group
  const roomIds = roomsOf(api, session).filter(
    (roomId) => filter.acceptsRoom(roomId) && (group?.key !== 'room_id' || group.value === roomId),
  )
  const page = await search.search({
    userId: session.userId,
    words,
    fields: criteria.keys,
    roomIds,
    sender: group?.key === 'sender' ? group.value : undefined,
    order: criteria.order_by,
    after: token?.after,
    limit: Math.min(Math.max(1, filter.limit ?? searchPageDefault), searchPageMax),
    accepts: (event) => filter.accepts(event.pdu),
  })
  const related = new Set(
    await api.conversation.relatedBy(
      page.hits.map(({ event }) => event),
      filter.relatedBy,
      session.userId,
    ),
  )
  const hits = page.hits.filter(({ event }) => related.has(event))
  const counted = token?.counted ?? 0
  const next = page.next === undefined ? undefined : { after: page.next, counted: counted + page.hits.length }
  const nextBatch = next === undefined ? undefined : formatSearchToken(group === undefined ? next : { ...next, group })
  return {
    count: counted + page.count,
    highlights: words,
    results: await results(api, session, hits, criteria.event_context),
    ...(criteria.include_state ? { state: await states(api, session, hits) } : {}),
    ...groups(criteria, hits, next),
    ...(nextBatch === undefined ? {} : { next_batch: nextBatch }),
  }
}

/** Rooms in which the user is or was; what of them they may see is looked at event by event. */
function roomsOf(api: Api, session: Session): RoomId[] {
  return api.rooms.roomIds().filter((roomId) => {
    const membership = api.rooms.state(roomId)?.membershipOf(session.userId)
    const isForgotten = api.conversation.forgotten.has(session.userId, roomId)
    return !isForgotten && (membership === 'join' || membership === 'leave' || membership === 'ban')
  })
}

async function results(api: Api, session: Session, hits: readonly EventHit[], wanted: Criteria['event_context']): Promise<JsonObject[]> {
  const formatted = await api.sync.events.withRoomId(
    hits.map(({ event }) => event),
    session,
  )
  return Promise.all(
    hits.map(async ({ event, rank }, index) => ({
      rank,
      result: formatted[index] as unknown as JsonObject,
      ...(wanted === undefined ? {} : { context: await contextOf(api, session, event, wanted) }),
    })),
  )
}

async function contextOf(
  api: Api,
  session: Session,
  event: StoredEvent,
  wanted: NonNullable<Criteria['event_context']>,
): Promise<JsonObject> {
  const counts = { before: Math.min(wanted.before_limit, searchContextMax), after: Math.min(wanted.after_limit, searchContextMax) }
  const { before, after, start, end } = await readContext(api, session, event, counts)
  const shown = {
    events_before: await api.sync.events.withRoomId(before, session),
    events_after: await api.sync.events.withRoomId(after, session),
  }
  const profiles = wanted.include_profile ? { profile_info: await profilesOf(api, [event, ...before, ...after]) } : {}
  return { ...(shown as unknown as JsonObject), start, end, ...profiles }
}

/** What the senders were called when they sent the events. */
async function profilesOf(api: Api, events: readonly StoredEvent[]): Promise<JsonObject> {
  const profiles = new Map<string, JsonObject>()
  for (const event of events) {
    const { sender } = event.pdu
    if (profiles.has(sender)) continue
    const memberId = await api.rooms.stateIdBefore(event, 'm.room.member', sender)
    const member = memberId === undefined ? undefined : await api.rooms.event(memberId)
    const [displayName, avatarUrl] = [ownString(member?.pdu.content, 'displayname'), ownString(member?.pdu.content, 'avatar_url')]
    profiles.set(sender, {
      ...(displayName === undefined ? {} : { displayname: displayName }),
      ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
    })
  }
  return Object.fromEntries(profiles)
}

async function states(api: Api, session: Session, hits: readonly EventHit[]): Promise<JsonObject> {
  const found: [string, JsonObject[]][] = []
  for (const roomId of new Set(hits.map(({ event }) => event.roomId))) {
    const ids = await readableStateIds(api, session, roomId)
    const events = (await api.rooms.events([...ids.values()])).filter((event) => event !== undefined)
    found.push([roomId, (await api.sync.events.withRoomId(events, session)) as unknown as JsonObject[]])
  }
  return Object.fromEntries(found)
}

/** All of a group that comes on this page is named; with more pages, its token goes on with the group alone. */
function groups(criteria: Criteria, hits: readonly EventHit[], next: SearchToken | undefined): JsonObject {
  const keys = new Set(criteria.groupings.group_by?.flatMap(({ key }) => key ?? []))
  if (keys.size === 0) return {}
  const byKey = [...keys].map((key): [string, JsonObject] => {
    const members = Map.groupBy(hits, ({ event }) => (key === 'room_id' ? event.roomId : event.pdu.sender))
    const described = [...members].map(([value, found], order): [string, JsonObject] => [
      value,
      {
        order,
        results: found.map(({ event }) => event.eventId),
        ...(next === undefined ? {} : { next_batch: formatSearchToken({ ...next, group: { key, value } }) }),
      },
    ])
    return [key, Object.fromEntries(described)]
  })
  return { groups: Object.fromEntries(byKey) }
}

function tokenFrom(query: URLSearchParams): SearchToken | undefined {
  const text = query.get('next_batch')
  if (text === null) return undefined
  const token = parseSearchToken(text)
  if (token === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a token of a search')
  return token
}
