import type { AuthEvent } from '../auth-rules/auth-event.ts'
import type { EventId } from '../ids/ids.ts'
import { compareCodePoints } from '../json/canonical-json.ts'
import type { EventGraph } from './event-graph.ts'

/**
 * Sorts events by the place, in the history of the room's power levels, of the power levels that they cite; the oldest first.
 * @see https://spec.matrix.org/latest/rooms/v2/#state-resolution
 */
export function mainlineOrder(events: readonly AuthEvent[], powerLevels: AuthEvent | undefined, graph: EventGraph): AuthEvent[] {
  const positions = mainlinePositions(powerLevels, graph)
  const placed = events.map((event) => ({ event, position: positionOf(event, positions, graph) }))
  placed.sort((left, right) => {
    // 1. The farther back in the mainline, the earlier.
    if (left.position !== right.position) return left.position > right.position ? -1 : 1
    // 2. Then by time.
    const [leftTime, rightTime] = [left.event.pdu.origin_server_ts, right.event.pdu.origin_server_ts]
    if (leftTime !== rightTime) return leftTime - rightTime
    // 3. Then by id.
    return compareCodePoints(left.event.eventId, right.event.eventId)
  })
  return placed.map(({ event }) => event)
}

/** The mainline: the power levels, those that they cite, and so on; each with its index. */
function mainlinePositions(powerLevels: AuthEvent | undefined, graph: EventGraph): Map<EventId, number> {
  const positions = new Map<EventId, number>()
  for (let event = powerLevels; event !== undefined && !positions.has(event.eventId); event = graph.powerLevelsOf(event)) {
    positions.set(event.eventId, positions.size)
  }
  return positions
}

/**
 * The index of the first power levels in the mainline that the event's own line of power levels meets; Infinity if there are none.
 * `positions` learns the answer for the power levels passed on the way, so that each is walked once.
 */
function positionOf(event: AuthEvent, positions: Map<EventId, number>, graph: EventGraph): number {
  const passed = new Set<EventId>()
  let current = graph.powerLevelsOf(event)
  while (current !== undefined && !positions.has(current.eventId) && !passed.has(current.eventId)) {
    passed.add(current.eventId)
    current = graph.powerLevelsOf(current)
  }
  const position = (current === undefined ? undefined : positions.get(current.eventId)) ?? Infinity
  for (const eventId of passed) positions.set(eventId, position)
  return position
}
