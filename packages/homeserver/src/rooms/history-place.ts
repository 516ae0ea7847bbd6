import { encodeUtf8, type EventId, sha256 } from '@kith/matrix-protocol'

const BYTES = 6

/**
 * Orders the events of one depth: a number that follows from the event's id alone, so that every server shows them in one order.
 * Whoever makes ids until two of their events share a place gains nothing: the rows of the history are told apart by the id.
 */
export function historyPlaceOf(eventId: EventId): number {
  return sha256(encodeUtf8(eventId))
    .subarray(0, BYTES)
    .reduce((place, byte) => place * 256 + byte, 0)
}
