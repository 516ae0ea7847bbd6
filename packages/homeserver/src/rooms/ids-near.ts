import { authEventIdsOf, type EventId, type Pdu, prevEventIdsOf } from '@kith/matrix-protocol'

/** Everything that judging these events looks at first, to be read in one go. */
export function idsNear(events: readonly { readonly eventId: EventId; readonly pdu: Pdu }[]): EventId[] {
  return events.flatMap(({ eventId, pdu }) => [eventId, ...prevEventIdsOf(pdu), ...authEventIdsOf(pdu)])
}
