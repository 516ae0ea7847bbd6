import { type EventId, protocolLimits, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * Nobody may make the room arbitrarily expensive by branching: of too many heads some no longer count. They go from the server that has
 * the most, the shallowest first, so that a server which branches on purpose pushes out its own branches and not those of others.
 */
export function boundExtremities(heads: readonly StoredEvent[]): StoredEvent[] {
  const kept = [...heads]
  while (kept.length > limits.implementation.roomExtremitiesMax) {
    const groups = Map.groupBy(kept, (head) => serverNameOf(head.pdu.sender))
    let largest: readonly StoredEvent[] = []
    for (const group of groups.values()) if (group.length > largest.length) largest = group
    const goes = largest.reduce((shallowest, head) => (head.pdu.depth < shallowest.pdu.depth ? head : shallowest))
    kept.splice(kept.indexOf(goes), 1)
  }
  return kept
}

/**
 * The heads that a new event names: all of them, or, when there are more than an event may name, those that carry the most of the room's
 * state and end the most branches: this server's own first, then one of each different state, then the deepest.
 */
export function choosePredecessors(heads: readonly StoredEvent[], serverName: ServerName): StoredEvent[] {
  const { prevEventsMax } = protocolLimits.specification
  const deepestFirst = heads.toSorted((left, right) => right.pdu.depth - left.pdu.depth)
  if (heads.length <= prevEventsMax) return deepestFirst
  const chosen = new Map<EventId, StoredEvent>()
  const states = new Set<string>()
  const own = deepestFirst.find((head) => serverNameOf(head.pdu.sender) === serverName)
  for (const head of own === undefined ? deepestFirst : [own, ...deepestFirst]) {
    if (states.has(head.stateAfter ?? '')) continue
    states.add(head.stateAfter ?? '')
    chosen.set(head.eventId, head)
  }
  for (const head of deepestFirst) chosen.set(head.eventId, head)
  return [...chosen.values()].slice(0, prevEventsMax)
}
