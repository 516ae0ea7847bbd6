import {
  authEventIdsOf,
  type EventId,
  eventIdOf,
  type JsonValue,
  parseEventId,
  parsePdu,
  type Pdu,
  prevEventIdsOf,
  type RoomVersion,
} from '@kith/matrix-protocol'

/** The well-formed events of an answer, by id; others are left out. Undefined when it is no list, or longer than `countMax`. */
export function parsePdus(value: JsonValue | undefined, version: RoomVersion, countMax: number): Map<EventId, Pdu> | undefined {
  if (!Array.isArray(value) || value.length > countMax) return undefined
  const pdus = new Map<EventId, Pdu>()
  for (const item of value) {
    const parsed = parsePdu(item, version)
    if (parsed.kind === 'ok') pdus.set(eventIdOf(parsed.pdu, version), parsed.pdu)
  }
  return pdus
}

/** A list of event ids. Undefined when it is none, or longer than `countMax`. */
export function parseEventIds(value: JsonValue | undefined, countMax: number): EventId[] | undefined {
  if (!Array.isArray(value) || value.length > countMax) return undefined
  const ids = value.map((id: JsonValue) => parseEventId(id))
  return ids.every((id) => id !== undefined) ? ids : undefined
}

/** Parents before children, whatever the events say of their depth. Those that name each other in a circle come in any order. */
export function sortParentsFirst(events: ReadonlyMap<EventId, Pdu>): Pdu[] {
  const sorted = new Map<EventId, Pdu>()
  const entered = new Set<EventId>()
  const starts = [...events].toSorted(([, left], [, right]) => left.depth - right.depth)
  const waiting = starts.map(([eventId]) => eventId).reverse()
  for (let eventId = waiting.at(-1); eventId !== undefined; eventId = waiting.at(-1)) {
    const pdu = events.get(eventId)
    const parents = pdu === undefined || entered.has(eventId) ? [] : [...prevEventIdsOf(pdu), ...authEventIdsOf(pdu)]
    const before = parents.filter((id) => events.has(id) && !entered.has(id))
    entered.add(eventId)
    if (before.length > 0) waiting.push(...before)
    else {
      waiting.pop()
      if (pdu !== undefined) sorted.set(eventId, pdu)
    }
  }
  return [...sorted.values()]
}
