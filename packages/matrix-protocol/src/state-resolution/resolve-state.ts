import { type ReadonlyStateMap, type StateMap, stateKeyOf } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import { fullConflictedSet, splitState } from './conflicts.ts'
import { EventGraph, type ResolutionLookup } from './event-graph.ts'
import { applyAllowed } from './iterative-auth-checks.ts'
import { mainlineOrder } from './mainline-order.ts'
import { powerOrder } from './power-order.ts'

/**
 * The one state that follows from several: state resolution v2 and v2.1.
 * The result depends neither on the order of the sets nor on that of their entries.
 * @see https://spec.matrix.org/latest/rooms/v12/#state-resolution
 * @throws MissingEventError when the look-up does not know an event of the states or of their auth chains.
 */
export function resolveState(
  version: RoomVersion,
  stateSets: readonly ReadonlyStateMap<EventId>[],
  lookup: ResolutionLookup,
): StateMap<EventId> {
  if (version.stateResolution === 'v1') throw new RangeError(`Room version ${version.id} resolves state by another algorithm`)
  const split = splitState(stateSets)
  if (split.conflicted.every((events) => events.length === 0)) return split.unconflicted
  const graph = new EventGraph(lookup, version)
  const fullConflicted = fullConflictedSet(split, graph)

  // 1. Power events, and what authorises them, by power.
  const powerEvents = powerOrder(fullConflicted, graph)
  // 2. Check them one by one, from the unconflicted state (v2) or from nothing (v2.1).
  const state: StateMap<EventId> = version.stateResolution === 'v2.1' ? new Map() : new Map(split.unconflicted)
  applyAllowed(powerEvents, state, graph)
  // 3. All others along the mainline of the power levels that came out.
  const powerLevelsId = state.get(stateKeyOf('m.room.power_levels', ''))
  const powerLevels = powerLevelsId === undefined ? undefined : graph.get(powerLevelsId)
  for (const { eventId } of powerEvents) fullConflicted.delete(eventId)
  const others = [...fullConflicted].map((eventId) => graph.get(eventId))
  // 4. Check them one by one.
  applyAllowed(mainlineOrder(others, powerLevels, graph), state, graph)
  // 5. What was never in question stays.
  for (const [key, eventId] of split.unconflicted) state.set(key, eventId)
  return state
}
