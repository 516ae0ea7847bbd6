import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { authTypesFor } from '../auth-rules/auth-types.ts'
import { createEventIdOf } from '../events/hashes.ts'
import { authEventIdsOf } from '../events/pdu.ts'
import { type ReadonlyStateMap, stateKeyOf } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { splitStateV1 } from './resolve-state-v1.ts'

/**
 * How a caller with asynchronous storage finds what resolveState looks up: each step yields ids to load, and takes the events loaded.
 * Events that are not given back count as missing, and are not asked for again. Returns all events, for the look-up.
 * Nothing is asked for when the states agree. Loads level by level, so there are as many steps as the longest auth chain has links, or
 * two in room version 1, which looks at no chains; `known` (a cache) is asked first.
 * @see https://spec.matrix.org/latest/server-server-api/#room-state-resolution
 */
export function* neededForResolution(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  known: (eventId: EventId) => AuthEvent | undefined,
): Generator<readonly EventId[], Map<EventId, AuthEvent>, readonly AuthEvent[]> {
  if (areEqual(stateSets)) return new Map()
  const loading = new Loading(known)
  if (version.stateResolution === 'v1') {
    const { agreed, conflicts } = splitStateV1(stateSets)
    const candidates = yield* loading.load([...conflicts.values()].flatMap((eventIds) => [...eventIds]))
    const keys = new Set(
      candidates.flatMap(({ pdu }) => authTypesFor(pdu, version)).map(({ type, stateKey }) => stateKeyOf(type, stateKey)),
    )
    yield* loading.load([...keys].map((key) => agreed.get(key)).filter((eventId) => eventId !== undefined))
    return loading.events
  }
  let unasked: readonly EventId[] = stateSets.flatMap((state) => [...state.values()])
  while (unasked.length > 0) {
    const loaded = yield* loading.load(unasked)
    unasked = loaded.flatMap(({ pdu }) => {
      const cited = authEventIdsOf(pdu)
      return version.roomIdIsCreateEvent && pdu.room_id !== undefined ? [...cited, createEventIdOf(pdu.room_id)] : cited
    })
  }
  return loading.events
}

/** What was loaded, and what was asked for. */
class Loading {
  readonly events = new Map<EventId, AuthEvent>()
  readonly #asked = new Set<EventId>()
  readonly #known: (eventId: EventId) => AuthEvent | undefined

  constructor(known: (eventId: EventId) => AuthEvent | undefined) {
    this.#known = known
  }

  /** Those of the events that were not asked for before. */
  *load(eventIds: readonly EventId[]): Generator<readonly EventId[], AuthEvent[], readonly AuthEvent[]> {
    const found: AuthEvent[] = []
    const toLoad: EventId[] = []
    for (const eventId of eventIds) {
      if (this.#asked.has(eventId)) continue
      this.#asked.add(eventId)
      const event = this.#known(eventId)
      if (event === undefined) toLoad.push(eventId)
      else found.push(event)
    }
    if (toLoad.length > 0) for (const event of yield toLoad) found.push(event)
    for (const event of found) this.events.set(event.eventId, event)
    return found
  }
}

function areEqual([first, ...others]: readonly ReadonlyStateMap<EventId>[]): boolean {
  if (first === undefined) return true
  return others.every((state) => state.size === first.size && [...state].every(([key, eventId]) => first.get(key) === eventId))
}
