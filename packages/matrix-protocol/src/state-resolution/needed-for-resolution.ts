import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { createEventIdOf } from '../events/hashes.ts'
import { authEventIdsOf } from '../events/pdu.ts'
import type { ReadonlyStateMap } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'

/**
 * How a caller with asynchronous storage finds what resolveState looks up: each step yields ids to load, and takes the events loaded.
 * Events that are not given back count as missing, and are not asked for again. Returns all events, for the look-up.
 * Nothing is asked for when the states agree. Loads level by level, so there are as many steps as the longest auth chain has links;
 * `known` (a cache) is asked first.
 */
export function* neededForResolution(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  known: (eventId: EventId) => AuthEvent | undefined,
): Generator<readonly EventId[], Map<EventId, AuthEvent>, readonly AuthEvent[]> {
  const events = new Map<EventId, AuthEvent>()
  if (areEqual(stateSets)) return events
  const asked = new Set<EventId>()
  let unasked = stateSets.flatMap((state) => [...state.values()])
  while (unasked.length > 0) {
    const toLoad: EventId[] = []
    const next: EventId[] = []
    const add = (event: AuthEvent): void => {
      events.set(event.eventId, event)
      next.push(...authEventIdsOf(event.pdu))
      if (version.roomIdIsCreateEvent && event.pdu.room_id !== undefined) next.push(createEventIdOf(event.pdu.room_id))
    }
    for (const eventId of unasked) {
      if (asked.has(eventId)) continue
      asked.add(eventId)
      const event = known(eventId)
      if (event === undefined) toLoad.push(eventId)
      else add(event)
    }
    if (toLoad.length > 0) for (const event of yield toLoad) add(event)
    unasked = next
  }
  return events
}

function areEqual([first, ...others]: readonly ReadonlyStateMap<EventId>[]): boolean {
  if (first === undefined) return true
  return others.every((state) => state.size === first.size && [...state].every(([key, eventId]) => first.get(key) === eventId))
}
