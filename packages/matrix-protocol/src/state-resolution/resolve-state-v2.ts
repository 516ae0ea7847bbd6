import { type ReadonlyStateMap, type StateMap, stateKeyOf } from '../events/state-map.ts'
import type { EventId } from '../ids/ids.ts'
import { fullConflictedSet, splitState } from './conflicts.ts'
import type { EventGraph } from './event-graph.ts'
import { applyAllowed } from './iterative-auth-checks.ts'
import { mainlineOrder } from './mainline-order.ts'
import { powerOrder } from './power-order.ts'

/**
 * State resolution v2 and v2.1.
 * @see https://spec.matrix.org/latest/rooms/v12/#state-resolution
 * @throws MissingEventError
 */
export function resolveStateV2(stateSets: readonly ReadonlyStateMap<EventId>[], graph: EventGraph): StateMap<EventId> {
  const split = splitState(stateSets)
  if (split.conflicted.every((events) => events.length === 0)) return split.unconflicted
  const fullConflicted = fullConflictedSet(split, graph)

  // 1. Power events, and what authorises them, by power.
  const powerEvents = powerOrder(fullConflicted, graph)
  // 2. Check them one by one, from the unconflicted state (v2) or from nothing (v2.1).
  const state: StateMap<EventId> = graph.version.stateResolution === 'v2.1' ? new Map() : new Map(split.unconflicted)
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
