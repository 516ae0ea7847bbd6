import type { AuthEvent } from '../auth-rules/auth-event.ts'
import { powerLevelOf } from '../auth-rules/power-levels.ts'
import { authEventIdsOf } from '../events/pdu.ts'
import type { EventId } from '../ids/ids.ts'
import { compareCodePoints } from '../json/canonical-json.ts'
import { ownMember } from '../json/json-value.ts'
import { BinaryHeap } from './binary-heap.ts'
import type { EventGraph } from './event-graph.ts'

/** Whether the event might remove somebody's ability to do something in the room. */
function isPowerEvent({ pdu }: AuthEvent): boolean {
  if (pdu.state_key === undefined) return false
  if (pdu.type === 'm.room.power_levels' || pdu.type === 'm.room.join_rules') return pdu.state_key === ''
  if (pdu.type !== 'm.room.member' || pdu.sender === pdu.state_key) return false
  const membership = ownMember(pdu.content, 'membership')
  return membership === 'leave' || membership === 'ban'
}

/**
 * The power events of the full conflicted set, and those conflicted events that authorise them, in reverse topological power order.
 * In v2, where a chain can leave the set and enter it again, events on either side of the gap are not linked: the specification can be
 * read otherwise, but deployed servers do it like this, and a room stays whole only when all do the same. In v2.1 there are no gaps.
 * @see https://spec.matrix.org/latest/rooms/v2/#state-resolution
 */
export function powerOrder(fullConflicted: ReadonlySet<EventId>, graph: EventGraph): AuthEvent[] {
  const picked = new Set<EventId>()
  const waiting = [...fullConflicted].filter((eventId) => isPowerEvent(graph.get(eventId)))
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    if (picked.has(eventId)) continue
    picked.add(eventId)
    for (const authId of authEventIdsOf(graph.get(eventId).pdu)) if (fullConflicted.has(authId)) waiting.push(authId)
  }
  return sortTopologically(picked, graph)
}

interface Vertex {
  readonly event: AuthEvent
  readonly senderPower: number
  /** How many of the events that it cites are not yet in the order. */
  citedLeft: number
  readonly citedBy: Vertex[]
}

/** Kahn's algorithm: of the events whose cited events are all in the order, the smallest is next. */
function sortTopologically(eventIds: ReadonlySet<EventId>, graph: EventGraph): AuthEvent[] {
  const vertices = new Map<EventId, Vertex>()
  for (const eventId of eventIds) {
    const event = graph.get(eventId)
    vertices.set(eventId, { event, senderPower: senderPower(event, graph), citedLeft: 0, citedBy: [] })
  }
  for (const vertex of vertices.values()) {
    for (const authId of new Set(authEventIdsOf(vertex.event.pdu))) {
      const cited = vertices.get(authId)
      if (cited === undefined) continue
      cited.citedBy.push(vertex)
      vertex.citedLeft++
    }
  }
  const ready = new BinaryHeap<Vertex>(comesBefore)
  for (const vertex of vertices.values()) if (vertex.citedLeft === 0) ready.push(vertex)
  const order: AuthEvent[] = []
  for (let vertex = ready.pop(); vertex !== undefined; vertex = ready.pop()) {
    order.push(vertex.event)
    for (const citing of vertex.citedBy) if (--citing.citedLeft === 0) ready.push(citing)
  }
  return order
}

function comesBefore(left: Vertex, right: Vertex): boolean {
  // 1. More power first.
  if (left.senderPower !== right.senderPower) return left.senderPower > right.senderPower
  // 2. Then the earlier.
  const [leftTime, rightTime] = [left.event.pdu.origin_server_ts, right.event.pdu.origin_server_ts]
  if (leftTime !== rightTime) return leftTime < rightTime
  // 3. Then by id.
  return compareCodePoints(left.event.eventId, right.event.eventId) < 0
}

/** The power of the sender by what the event itself cites. */
function senderPower(event: AuthEvent, graph: EventGraph): number {
  const powerLevels = graph.powerLevelsOf(event)?.pdu.content
  return powerLevelOf(event.pdu.sender, powerLevels, graph.createEventOf(event)?.pdu, graph.version)
}
