import { type EventId, protocolLimits, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StoredEvent } from './stored-event.ts'

/**
 * Nobody may make the room arbitrarily expensive by branching: of too many heads some no longer count. They go from the server that has
 * the most, so that a server which branches on purpose pushes out its own branches and not those of others. Where all have but one, as
 * when many were apart, those go first whose state another head has, too.
 */
export function boundExtremities(heads: readonly StoredEvent[]): StoredEvent[] {
  const kept = [...heads]
  while (kept.length > limits.implementation.roomExtremitiesMax) kept.splice(kept.indexOf(leastOf(mostDispensable(kept))), 1)
  return kept
}

function mostDispensable(heads: readonly StoredEvent[]): readonly StoredEvent[] {
  let largest: readonly StoredEvent[] = []
  for (const group of Map.groupBy(heads, (head) => serverNameOf(head.pdu.sender)).values()) {
    if (group.length > largest.length) largest = group
  }
  if (largest.length > 1) return largest
  const byState = Map.groupBy(heads, (head) => head.stateAfter)
  const spare = heads.filter((head) => (byState.get(head.stateAfter)?.length ?? 0) > 1)
  return spare.length > 0 ? spare : heads
}

/** The shallowest; among equals the id decides, so that every server lets the same ones go. */
function leastOf(heads: readonly StoredEvent[]): StoredEvent {
  return heads.reduce((least, head) => {
    if (head.pdu.depth !== least.pdu.depth) return head.pdu.depth < least.pdu.depth ? head : least
    return head.eventId < least.eventId ? head : least
  })
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
