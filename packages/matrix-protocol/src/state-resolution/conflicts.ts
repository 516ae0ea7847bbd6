import { authEventIdsOf } from '../events/pdu.ts'
import type { ReadonlyStateMap, StateMap } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { EventGraph } from './event-graph.ts'

export interface SplitState {
  /** What all sets agree upon. */
  readonly unconflicted: StateMap<EventId>
  /** For each set, its events that others do not agree with. */
  readonly conflicted: readonly (readonly EventId[])[]
}

/** The unconflicted state map and the conflicted state set. @see https://spec.matrix.org/latest/rooms/v2/#state-resolution */
export function splitState(stateSets: readonly ReadonlyStateMap<EventId>[]): SplitState {
  const [first = new Map() as ReadonlyStateMap<EventId>, ...others] = stateSets
  const unconflicted: StateMap<EventId> = new Map()
  for (const [key, eventId] of first) {
    if (others.every((state) => state.get(key) === eventId)) unconflicted.set(key, eventId)
  }
  const conflicted = stateSets.map((state) => {
    const events: EventId[] = []
    for (const [key, eventId] of state) if (!unconflicted.has(key)) events.push(eventId)
    return events
  })
  return { unconflicted, conflicted }
}

/**
 * The full conflicted set: the conflicted state set, the auth difference and, in version 2.1, the conflicted state subgraph.
 * @see https://spec.matrix.org/latest/rooms/v12/#state-resolution
 */
export function fullConflictedSet({ unconflicted, conflicted }: SplitState, graph: EventGraph): Set<EventId> {
  const conflictedEvents = new Set(conflicted.flat())
  const full = new Set(conflictedEvents)
  for (const eventId of restOfAuthDifference(unconflicted, conflicted, conflictedEvents, graph)) full.add(eventId)
  if (graph.version.stateResolution === 'v2.1') addConflictedSubgraph(full, conflictedEvents, graph)
  return full
}

/**
 * The events that are in the auth chain of some set but not of all, without those of the conflicted state set. A chain here includes the
 * state itself, which makes no difference for the other events: one that all sets agree upon is in no difference.
 */
function restOfAuthDifference(
  unconflicted: StateMap<EventId>,
  conflicted: readonly (readonly EventId[])[],
  conflictedEvents: ReadonlySet<EventId>,
  graph: EventGraph,
): Set<EventId> {
  const counts = new Map<EventId, number>()
  for (const events of conflicted) {
    for (const eventId of graph.walk(events, new Set())) counts.set(eventId, (counts.get(eventId) ?? 0) + 1)
  }
  const inAll = new Set<EventId>()
  const rest = new Set<EventId>()
  for (const [eventId, count] of counts) {
    if (count === conflicted.length) inAll.add(eventId)
    else if (!conflictedEvents.has(eventId)) rest.add(eventId)
  }
  // Mostly there are none, and a large state that nobody questions need not be walked.
  if (rest.size === 0) return rest
  // What the unconflicted events reach is in all chains. Behind what is known to be in all, there is nothing to find.
  for (const eventId of graph.walk(unconflicted.values(), new Set(), inAll)) rest.delete(eventId)
  return rest
}

/** Adds all events on a path of `auth_events` from one conflicted event to another. */
function addConflictedSubgraph(full: Set<EventId>, conflicted: ReadonlySet<EventId>, graph: EventGraph): void {
  const citedBy = new Map<EventId, EventId[]>()
  for (const eventId of graph.walk(conflicted, new Set())) {
    for (const authId of authEventIdsOf(graph.get(eventId).pdu)) {
      const citing = citedBy.get(authId)
      if (citing === undefined) citedBy.set(authId, [eventId])
      else citing.push(eventId)
    }
  }
  // Back up from the conflicted events, through what was reached from them.
  const seen = new Set<EventId>()
  const waiting = [...conflicted]
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    if (seen.has(eventId)) continue
    seen.add(eventId)
    full.add(eventId)
    for (const citing of citedBy.get(eventId) ?? []) waiting.push(citing)
  }
}
