import { isJsonObject } from '@kith/matrix-protocol'
import { chatLimits } from './limits.ts'

/** How far a message has come, as the node says. */
export type DeliveryState = 'waiting' | 'at_relay' | 'delivered'

export interface Delivery {
  readonly eventId: string
  readonly state: DeliveryState
  /** Servers that have not acknowledged the message yet. */
  readonly destinations: ReadonlyMap<string, 'waiting' | 'at_relay'>
}

export interface DeliveriesAnswer {
  readonly next: string
  readonly deliveries: readonly Delivery[]
}

/**
 * What is known about the delivery of own messages.
 * Invariant: an event that is in neither map was delivered to every server that was in its room, or went to nobody.
 */
export interface DeliveryKnowledge {
  /** False until the node has told once what is under way. */
  readonly known: boolean
  readonly underWay: ReadonlyMap<string, Delivery>
  /** Sent in this session, and not yet mentioned by the node. Each with the number of the poll that ran at that time. */
  readonly unmentioned: ReadonlyMap<string, number>
  /** Told to be delivered: the node may say so before it has answered the send itself. */
  readonly settled: ReadonlySet<string>
}

export const nothingKnown: DeliveryKnowledge = { known: false, underWay: new Map(), unmentioned: new Map(), settled: new Set() }

/** The whole truth of one moment: what it does not list has arrived. */
export function applySnapshot(knowledge: DeliveryKnowledge, answer: DeliveriesAnswer, pollNumber: number): DeliveryKnowledge {
  const underWay = new Map(answer.deliveries.filter((delivery) => delivery.state !== 'delivered').map(entryOf))
  // What was sent while the snapshot was being asked for may be missing from it for that reason.
  const unmentioned = new Map([...knowledge.unmentioned].filter(([eventId, sentIn]) => sentIn >= pollNumber && !underWay.has(eventId)))
  return { known: true, underWay: bounded(underWay), unmentioned, settled: knowledge.settled }
}

/** Changes since a position. */
export function applyChanges(knowledge: DeliveryKnowledge, answer: DeliveriesAnswer): DeliveryKnowledge {
  if (answer.deliveries.length === 0) return knowledge
  const underWay = new Map(knowledge.underWay)
  const unmentioned = new Map(knowledge.unmentioned)
  const settled = new Set(knowledge.settled)
  for (const delivery of answer.deliveries) {
    unmentioned.delete(delivery.eventId)
    if (delivery.state === 'delivered') {
      underWay.delete(delivery.eventId)
      settled.add(delivery.eventId)
    } else underWay.set(delivery.eventId, delivery)
  }
  return { known: true, underWay: bounded(underWay), unmentioned, settled: bounded(settled) }
}

export function noteSent(knowledge: DeliveryKnowledge, eventId: string, pollNumber: number): DeliveryKnowledge {
  if (knowledge.underWay.has(eventId) || knowledge.settled.has(eventId)) return knowledge
  return { ...knowledge, unmentioned: bounded(new Map(knowledge.unmentioned).set(eventId, pollNumber)) }
}

/** True when a message that was sent before the poll began was not mentioned by its answer: time for a snapshot. */
export function needsSnapshot(knowledge: DeliveryKnowledge, pollNumber: number): boolean {
  return [...knowledge.unmentioned.values()].some((sentIn) => sentIn < pollNumber)
}

/** Undefined while the node has not answered yet. */
export function deliveryOf(knowledge: DeliveryKnowledge, eventId: string): Delivery | undefined {
  const underWay = knowledge.underWay.get(eventId)
  if (underWay !== undefined) return underWay
  if (knowledge.unmentioned.has(eventId)) return { eventId, state: 'waiting', destinations: new Map() }
  return knowledge.known ? { eventId, state: 'delivered', destinations: new Map() } : undefined
}

/** Throws when the answer has not the agreed shape; single odd entries are passed over. */
export function parseDeliveries(value: unknown): DeliveriesAnswer {
  if (!isJsonObject(value) || !Array.isArray(value['deliveries'])) throw new TypeError('deliveries: unexpected answer')
  const next = value['next']
  if (typeof next !== 'string' && typeof next !== 'number') throw new TypeError('deliveries: no position')
  return { next: String(next), deliveries: value['deliveries'].flatMap(parseDelivery) }
}

function parseDelivery(value: unknown): Delivery[] {
  if (!isJsonObject(value)) return []
  const eventId = value['event_id']
  const state = value['state']
  if (typeof eventId !== 'string' || (state !== 'waiting' && state !== 'at_relay' && state !== 'delivered')) return []
  const destinations = new Map<string, 'waiting' | 'at_relay'>()
  if (isJsonObject(value['destinations'])) {
    for (const [server, at] of Object.entries(value['destinations'])) {
      if (at === 'waiting' || at === 'at_relay') destinations.set(server, at)
    }
  }
  return [{ eventId, state, destinations }]
}

function entryOf(delivery: Delivery): [string, Delivery] {
  return [delivery.eventId, delivery]
}

/** Drops the oldest entries beyond the limit. */
function bounded<T extends Map<string, unknown> | Set<string>>(entries: T): T {
  for (const key of entries.keys()) {
    if (entries.size <= chatLimits.deliveriesMax) break
    entries.delete(key)
  }
  return entries
}
