import { type EventId, eventIdOf, type JsonValue, parsePdu, type Pdu, type RoomVersion } from '@kith/matrix-protocol'

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

/** Parents before children, as far as the events' own word on depth goes. */
export function sortByDepth(pdus: Iterable<Pdu>): Pdu[] {
  return [...pdus].toSorted((left, right) => left.depth - right.depth)
}
