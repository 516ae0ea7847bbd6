import { authEventIdsOf, type EventId, type Pdu, prevEventIdsOf, type RoomId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { EventStore } from './event-store.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * Everything reachable over `auth_events`, the start not included; undefined when that is more than the limit. Rejected events may cite
 * other rooms, whose events are nothing for those who ask about this one.
 */
export async function walkAuthChain(store: EventStore, eventIds: readonly EventId[]): Promise<StoredEvent[] | undefined> {
  const chain = new Map<EventId, StoredEvent>()
  const start = await store.getMany(eventIds)
  const roomIds = new Set(start.map((event) => event?.roomId))
  let next = citedBy(start.filter((event) => event !== undefined))
  while (next.length > 0) {
    const events = (await store.getMany(next)).filter((event) => event !== undefined).filter((event) => roomIds.has(event.roomId))
    for (const event of events) chain.set(event.eventId, event)
    if (chain.size > limits.implementation.authChainEventsMax) return undefined
    next = citedBy(events).filter((eventId) => !chain.has(eventId))
  }
  return [...chain.values()]
}

function citedBy(events: readonly StoredEvent[]): EventId[] {
  return [...new Set(events.flatMap((event) => authEventIdsOf(event.pdu)))]
}

export interface MissingEventsInput {
  /** What the asker has: the walk stops there. */
  readonly earliest: readonly EventId[]
  /** Where the walk begins; not part of the result. */
  readonly latest: readonly EventId[]
  readonly limit: number
  readonly minDepth: number
}

/**
 * What lies between two sets of events, for get_missing_events and backfill: breadth first from the latest, so that the limit cuts off
 * what is farthest back. Oldest first.
 */
export async function walkMissingEvents(store: EventStore, roomId: RoomId, input: MissingEventsInput): Promise<StoredEvent[]> {
  const seen = new Set<EventId>([...input.earliest, ...input.latest])
  const found: StoredEvent[] = []
  const start = await store.getMany(input.latest)
  let level = start.filter((event) => event?.roomId === roomId).filter((event) => event !== undefined)
  while (level.length > 0 && found.length < input.limit) {
    const next = [...new Set(level.flatMap((event) => prevEventIdsOf(event.pdu)))].filter((eventId) => !seen.has(eventId))
    for (const eventId of next) seen.add(eventId)
    const events = (await store.getMany(next)).filter((event) => event !== undefined)
    level = events.filter((event) => event.roomId === roomId && event.status !== 'outlier' && event.pdu.depth >= input.minDepth)
    found.push(...level.slice(0, input.limit - found.length))
  }
  return found.sort((a, b) => a.pdu.depth - b.pdu.depth)
}

/** Those of some events that these are, or follow; as far as a bounded walk finds them. */
export async function findFollowed(
  events: Pick<EventStore, 'getMany'>,
  eventIds: readonly EventId[],
  wanted: { readonly eventIds: ReadonlySet<EventId>; readonly minDepth: number },
): Promise<Set<EventId>> {
  const seen = new Set<EventId>()
  const found = new Set<EventId>()
  const isOver = () => found.size === wanted.eventIds.size || seen.size > limits.implementation.doubtsWalkedMax
  for (let level = eventIds; level.length > 0 && !isOver();) {
    for (const eventId of level) {
      seen.add(eventId)
      if (wanted.eventIds.has(eventId)) found.add(eventId)
    }
    const deep = (await events.getMany(level)).filter((event) => event !== undefined && event.pdu.depth > wanted.minDepth)
    const next = deep.flatMap((event) => (event === undefined ? [] : prevEventIdsOf(event.pdu)))
    level = [...new Set(next)].filter((eventId) => !seen.has(eventId))
  }
  return found
}

/**
 * What these events are and follow, and `pdu` does not; oldest first, as far as a bounded walk finds it. It goes by depth, the deepest first,
 * and ends where everything lies behind `pdu`: depths that lie only show more than there is.
 */
export async function findBeside(events: Pick<EventStore, 'getMany'>, eventIds: readonly EventId[], pdu: Pdu): Promise<StoredEvent[]> {
  const behind = new Set<EventId>(prevEventIdsOf(pdu))
  const seen = new Set<EventId>()
  const found = new Map<EventId, StoredEvent>()
  let open = new Map<EventId, StoredEvent>()
  let next: readonly EventId[] = [...eventIds, ...behind]
  while (seen.size < limits.implementation.besideJoinWalkedMax) {
    const fresh = next.filter((eventId) => !seen.has(eventId) && !open.has(eventId))
    for (const event of await events.getMany(fresh)) if (event !== undefined) open.set(event.eventId, event)
    if (open.keys().every((eventId) => behind.has(eventId))) break
    const depth = Math.max(...open.values().map((event) => event.pdu.depth))
    const [level, left] = [new Map<EventId, StoredEvent>(), new Map<EventId, StoredEvent>()]
    for (const [eventId, event] of open) (event.pdu.depth === depth ? level : left).set(eventId, event)
    open = left
    for (const [eventId, event] of level) {
      seen.add(eventId)
      if (!behind.has(eventId)) found.set(eventId, event)
      else for (const prevEventId of prevEventIdsOf(event.pdu)) behind.add(prevEventId)
    }
    next = [...new Set([...level.values()].flatMap((event) => prevEventIdsOf(event.pdu)))]
  }
  return [...found.values()].filter(({ eventId }) => !behind.has(eventId)).sort((a, b) => a.pdu.depth - b.pdu.depth)
}

/** These events, and those that they follow by way of events that failed: a head that only failed events follow is still a head. */
export async function walkFailed(events: Pick<EventStore, 'getMany'>, eventIds: readonly EventId[]): Promise<Set<EventId>> {
  const followed = new Set<EventId>()
  for (let level = eventIds; level.length > 0 && followed.size < limits.implementation.failedEventsWalkedMax;) {
    for (const eventId of level) followed.add(eventId)
    const failed = (await events.getMany(level)).filter((event) => event?.status === 'soft-failed' || event?.status === 'rejected')
    const next = failed.flatMap((event) => (event === undefined ? [] : prevEventIdsOf(event.pdu)))
    level = next.filter((eventId) => !followed.has(eventId))
  }
  return followed
}
