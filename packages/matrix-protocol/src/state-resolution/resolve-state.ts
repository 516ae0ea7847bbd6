import type { ReadonlyStateMap, StateMap } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { unreachable } from '../unreachable.ts'
import { EventGraph, type ResolutionLookup } from './event-graph.ts'
import { resolveStateV1 } from './resolve-state-v1.ts'
import { resolveStateV2 } from './resolve-state-v2.ts'

/**
 * The one state that follows from several, by the algorithm of the room version.
 * The result depends neither on the order of the sets nor on that of their entries.
 * @see https://spec.matrix.org/latest/server-server-api/#room-state-resolution
 * @throws MissingEventError when the look-up does not know an event that is needed; see neededForResolution.
 */
export function resolveState(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  lookup: ResolutionLookup,
): StateMap<EventId> {
  const graph = new EventGraph(lookup, version)
  switch (version.stateResolution) {
    case 'v1':
      return resolveStateV1(stateSets, graph)
    case 'v2':
    case 'v2.1':
      return resolveStateV2(stateSets, graph)
    default:
      return unreachable(version.stateResolution)
  }
}
