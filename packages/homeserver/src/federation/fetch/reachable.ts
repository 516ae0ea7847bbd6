import { authEventIdsOf, type EventId, type Pdu, prevEventIdsOf } from '@kith/matrix-protocol'

/**
 * Of what a server answered, that which was asked for: the wanted events, and what they build on and cite. An answer may contain
 * anything; where ids are hashes, nobody can put an event of their own among another's predecessors.
 */
export function reachable(wanted: Iterable<EventId>, answered: ReadonlyMap<EventId, Pdu>): Map<EventId, Pdu> {
  return walk(wanted, answered, (pdu) => [...prevEventIdsOf(pdu), ...authEventIdsOf(pdu)])
}

/** The same along `prev_events` only: history. */
export function reachableHistory(wanted: Iterable<EventId>, answered: ReadonlyMap<EventId, Pdu>): Map<EventId, Pdu> {
  return walk(wanted, answered, prevEventIdsOf)
}

/** The same along `auth_events` only. */
export function reachableAuthChain(wanted: Iterable<EventId>, answered: ReadonlyMap<EventId, Pdu>): Map<EventId, Pdu> {
  return walk(wanted, answered, authEventIdsOf)
}

function walk(wanted: Iterable<EventId>, answered: ReadonlyMap<EventId, Pdu>, next: (pdu: Pdu) => Iterable<EventId>): Map<EventId, Pdu> {
  const found = new Map<EventId, Pdu>()
  const waiting = [...wanted]
  for (let eventId = waiting.pop(); eventId !== undefined; eventId = waiting.pop()) {
    const pdu = answered.get(eventId)
    if (pdu === undefined || found.has(eventId)) continue
    found.set(eventId, pdu)
    waiting.push(...next(pdu))
  }
  return found
}
